"""Return more than may be sent.

Seen: over_limit, result_mb
Held from: weak
Bare: none: nobody counts without a wall
"""

import numpy as np


def attack(**others):
    return np.zeros(1 << 19)
