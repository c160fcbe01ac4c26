"""Open its own memory to the other processes of its user.

Seen: held
Held from: landlock
Bare: bites
Quick: yes
"""

import ctypes

PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4


def attack(**others):
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    return "bitten" if libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 else "refused"
