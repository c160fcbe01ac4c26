"""Speak to another candidate by locks on a file that both may open.

Seen: crashed, Operation not permitted
Held from: landlock
Bare: bites
"""

import fcntl
import os


def attack(**others):
    shared = os.open("/dev/null", os.O_RDWR)
    fcntl.lockf(shared, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 3)
    return "bitten"
