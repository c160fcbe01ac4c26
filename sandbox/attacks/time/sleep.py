"""Sleep without using any CPU time.

Seen: timeout, wall_s
Held from: weak
Bare: bites
Limits: wall_s=0.3
"""

import time


def attack(too_long_s, **others):
    time.sleep(too_long_s)
    return "bitten"
