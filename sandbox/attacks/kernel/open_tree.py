"""Take a detached copy of a file system by the newer mount calls.

Seen: held
Held from: landlock
Bare: bites as root
"""

import ctypes

OPEN_TREE, AT_FDCWD, OPEN_TREE_CLONE = 428, -100, 1


def attack(**others):
    libc = ctypes.CDLL(None, use_errno=True)
    tree = libc.syscall(OPEN_TREE, AT_FDCWD, b"/", OPEN_TREE_CLONE)
    return "bitten" if tree >= 0 else f"refused: {ctypes.get_errno()}"
