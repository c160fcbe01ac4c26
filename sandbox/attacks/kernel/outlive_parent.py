"""Ask not to be ended with the process that started it.

Seen: held
Held from: strict
Bare: bites
"""

import ctypes

PR_SET_PDEATHSIG, PR_GET_PDEATHSIG = 1, 2


def attack(**others):
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
    signal = ctypes.c_int(-1)
    libc.prctl(PR_GET_PDEATHSIG, ctypes.byref(signal), 0, 0, 0)
    return "bitten" if signal.value == 0 else f"still {signal.value}"
