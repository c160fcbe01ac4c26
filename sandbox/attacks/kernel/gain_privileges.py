"""Be a process that may still gain powers by running a program.

Seen: held
Held from: landlock
Bare: bites
"""

import ctypes

PR_GET_NO_NEW_PRIVS = 39


def attack(**others):
    answer = ctypes.CDLL(None).prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
    return "bitten" if answer == 0 else f"no: {answer}"
