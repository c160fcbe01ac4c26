"""Keep something in the kernel's key ring, which outlives the process.

Seen: held
Held from: landlock
Bare: depends: on whether the kernel has key rings
"""

import ctypes
import platform

ADD_KEY = {"x86_64": 248, "aarch64": 217}
PROCESS_KEYRING = -2


def attack(**others):
    answer = ctypes.CDLL(None).syscall(
        ADD_KEY[platform.machine()], b"user", b"left", b"x", ctypes.c_size_t(1), PROCESS_KEYRING
    )
    return "bitten" if answer >= 0 else "refused"
