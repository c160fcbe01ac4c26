"""Bind the process that watches it to a core that is busy.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(**others):
    parent = os.getppid()
    if parent == 0:  # in another namespace; the number would stand for itself
        return "unseen"
    os.sched_setaffinity(parent, {min(os.sched_getaffinity(0))})
    return "bitten"
