"""Join the namespaces of another process.

Seen: held
Held from: landlock
Bare: bites as root
"""

import ctypes
import os

CLONE_NEWNET = 0x40000000


def attack(sibling, **others):
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(f"/proc/{sibling}/ns/net", os.O_RDONLY)
    answer = libc.setns(namespace, CLONE_NEWNET)
    return "bitten" if answer == 0 else f"refused: {ctypes.get_errno()}"
