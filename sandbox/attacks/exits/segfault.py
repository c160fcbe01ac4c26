"""Read from address 0.

Seen: crashed, SIGSEGV
Held from: weak
Bare: bites
"""

import ctypes


def attack(**others):
    return ctypes.string_at(0)
