"""Make a child by the bare system call, past whatever Python's own functions were replaced with.

Seen: held
Held from: landlock
Bare: bites
"""

import ctypes
import os
import platform
import signal

CLONE = {"x86_64": 56, "aarch64": 220}


def attack(**others):
    child = ctypes.CDLL(None).syscall(CLONE[platform.machine()], signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(5)
    if child == -1:
        return "refused"
    return "bitten" if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5 else "failed"
