"""Take a copy of a descriptor out of another process.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets a process trace another that is not below it
"""

import ctypes
import os

PIDFD_GETFD = 438


def attack(sibling, **others):
    stolen = ctypes.CDLL(None).syscall(PIDFD_GETFD, os.pidfd_open(sibling), 0, 0)
    return "bitten" if stolen >= 0 else "refused"
