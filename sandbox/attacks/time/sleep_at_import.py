"""Sleep before the entry point is even defined.

Seen: timeout, wall_s
Held from: weak
Bare: bites
Limits: wall_s=0.3
"""

import time

time.sleep(1.0)


def attack(**others):
    return "bitten"
