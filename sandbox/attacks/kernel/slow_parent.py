"""Make the process that watches it wait for every other one.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(**others):
    parent = os.getppid()
    if parent == 0:  # in another namespace; the number would stand for itself
        return "unseen"
    os.setpriority(os.PRIO_PROCESS, parent, 19)
    return "bitten"
