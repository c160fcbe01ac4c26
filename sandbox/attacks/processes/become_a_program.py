"""Become another program, which no patch and no hook of Python's survives.

Seen: crashed
Held from: landlock
Bare: bites
"""

import os


def attack(**others):
    os.execv("/bin/true", ["true"])
