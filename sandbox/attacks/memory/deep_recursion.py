"""Recurse without a bound until the stack is full.

Seen: held
Held from: weak
Bare: bites
"""

import sys


def attack(**others):
    sys.setrecursionlimit(1 << 30)

    class Nested:
        def __getattr__(self, name):
            return getattr(self, name + "x")  # through C, so that the stack is really used

    return Nested().attribute
