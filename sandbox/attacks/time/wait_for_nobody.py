"""Read from a pipe into which nobody writes.

Seen: timeout, wall_s
Held from: weak
Bare: bites
Limits: wall_s=0.3
"""

import os
import select


def attack(too_long_s, **others):
    reading, _writing = os.pipe()
    select.select([reading], [], [], too_long_s)
    return "bitten"
