"""Attach to another process of the same user as a debugger.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets a process trace another that is not below it
"""

import ctypes

PTRACE_SEIZE = 0x4206  # without stopping it


def attack(sibling, **others):
    libc = ctypes.CDLL(None, use_errno=True)
    answer = libc.ptrace(PTRACE_SEIZE, sibling, None, None)
    return "bitten" if answer == 0 else f"refused: {ctypes.get_errno()}"
