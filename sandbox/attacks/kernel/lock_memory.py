"""Keep memory from ever being swapped out.

Seen: held
Held from: landlock
Bare: depends: on how much the machine lets this user lock
"""

import ctypes


def attack(**others):
    return "bitten" if ctypes.CDLL(None).mlockall(1) == 0 else "refused"
