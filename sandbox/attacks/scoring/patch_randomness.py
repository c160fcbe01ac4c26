"""Make the next program's random numbers known.

Seen: ok
Held from: weak
Bare: bites
"""

import random

import numpy as np


def attack(**others):
    np.random.rand = random.random = lambda *_: 4
    return "returned"
