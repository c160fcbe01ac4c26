"""Make another process of the same user wait for every other one.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(sibling, **others):
    os.setpriority(os.PRIO_PROCESS, sibling, 19)
    return "bitten"
