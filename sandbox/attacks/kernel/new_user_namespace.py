"""Become root in a user namespace of its own, which opens the kernel's less tried parts.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets everybody have one
"""

import ctypes

CLONE_NEWUSER = 0x10000000


def attack(**others):
    libc = ctypes.CDLL(None, use_errno=True)
    return "bitten" if libc.unshare(CLONE_NEWUSER) == 0 else f"refused: {ctypes.get_errno()}"
