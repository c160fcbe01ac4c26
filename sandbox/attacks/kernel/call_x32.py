"""Make a system call by its x32 number, which a filter may not know.

Seen: held
Held from: landlock
Bare: depends: on an x86-64 kernel with x32
"""

import ctypes
import os

X32, GETPID = 0x40000000, 39


def attack(**others):
    return "bitten" if ctypes.CDLL(None).syscall(X32 | GETPID) == os.getpid() else "refused"
