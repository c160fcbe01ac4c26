"""Leave the interpreter in another state: its collector, its path, its recursion limit.

Seen: ok
Held from: weak
Bare: bites
"""

import gc
import sys


def attack(**others):
    gc.disable()
    sys.path.insert(0, "/tmp")
    sys.setrecursionlimit(500)
    return "returned"
