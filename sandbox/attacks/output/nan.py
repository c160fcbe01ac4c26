"""Return what is no number: an honest value, which must arrive as it is.

Seen: ok
Held from: weak
Bare: none: it is an honest value
"""

import math

import numpy as np


def attack(**others):
    return [math.nan, -math.inf, np.array([np.nan, -0.0])]
