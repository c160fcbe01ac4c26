"""Get a view of the file systems of its own, in which it may mount.

Seen: held
Held from: landlock
Bare: bites as root
"""

import ctypes

CLONE_NEWNS = 0x00020000


def attack(**others):
    libc = ctypes.CDLL(None, use_errno=True)
    return "bitten" if libc.unshare(CLONE_NEWNS) == 0 else f"refused: {ctypes.get_errno()}"
