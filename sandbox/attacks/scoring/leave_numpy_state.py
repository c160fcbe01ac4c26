"""Leave numpy in another state: its errors, its printing.

Seen: ok
Held from: weak
Bare: bites
"""

import numpy as np


def attack(**others):
    np.seterr(all="raise")
    np.set_printoptions(precision=1)
    return "returned"
