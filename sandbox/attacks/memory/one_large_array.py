"""Ask for one array beyond the limit, and use all of it.

Seen: over_limit, memory_mb
Held from: weak
Bare: bites
"""

import numpy as np


def attack(too_much_mb, **others):
    array = np.ones(too_much_mb << 17)
    return f"bitten: {array.nbytes >> 20} MB"
