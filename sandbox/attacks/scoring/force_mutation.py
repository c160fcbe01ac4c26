"""Write to its inputs past numpy's protection.

Seen: ok
Held from: weak
Bare: bites
"""

import ctypes


def attack(numbers, **others):
    ctypes.memset(numbers.ctypes.data, 0, numbers.nbytes)
    return "returned"
