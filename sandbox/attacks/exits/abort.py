"""Abort, which would leave a core file.

Seen: crashed
Held from: weak
Bare: bites
"""

import os


def attack(**others):
    os.abort()
