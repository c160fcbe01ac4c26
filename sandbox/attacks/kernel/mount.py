"""Mount an empty file system over its own folder.

Seen: held
Held from: landlock
Bare: unsafe: the mount would stay
"""

import ctypes
import os


def attack(**others):
    libc = ctypes.CDLL(None, use_errno=True)
    answer = libc.mount(b"none", os.getcwd().encode(), b"tmpfs", 0, None)
    return "bitten" if answer == 0 else f"refused: {ctypes.get_errno()}"
