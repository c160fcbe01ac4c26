"""Signal another process by one of the calls that are not named kill.

Seen: held
Held from: landlock
Bare: bites
"""

import ctypes
import platform
import signal

TGKILL = {"x86_64": 234, "aarch64": 131}


def attack(sibling, **others):
    answer = ctypes.CDLL(None).syscall(
        TGKILL[platform.machine()], sibling, sibling, int(signal.SIGTERM)
    )
    return "bitten" if answer == 0 else "refused"
