"""Raise what ends the interpreter and is no ordinary exception.

Seen: crashed, SystemExit
Held from: weak
Bare: bites
"""

import sys


def attack(**others):
    sys.exit(0)
