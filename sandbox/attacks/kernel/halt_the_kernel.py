"""Take page faults into its own hands, with which the kernel is made to wait half-way.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets this user
"""

import ctypes
import platform

USERFAULTFD = {"x86_64": 323, "aarch64": 282}
USER_MODE_ONLY = 1


def attack(**others):
    answer = ctypes.CDLL(None).syscall(USERFAULTFD[platform.machine()], USER_MODE_ONLY)
    return "bitten" if answer >= 0 else "refused"
