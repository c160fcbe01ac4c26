"""Attach to the process that forked it as a debugger.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets a process trace its parent
"""

import ctypes
import os

PTRACE_SEIZE = 0x4206  # without stopping it


def attack(**others):
    parent = os.getppid()
    if parent == 0:  # in another namespace; the number would stand for itself
        return "unseen"
    libc = ctypes.CDLL(None, use_errno=True)
    answer = libc.ptrace(PTRACE_SEIZE, parent, None, None)
    return "bitten" if answer == 0 else f"refused: {ctypes.get_errno()}"
