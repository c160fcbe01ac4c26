"""Raise in whatever Python function runs after the attack has returned.

Seen: crashed, KeyboardInterrupt
Held from: weak
Bare: bites
"""

import sys


def attack(**others):
    def interrupt(*_):
        raise KeyboardInterrupt

    sys.setprofile(interrupt)
    return "returned"
