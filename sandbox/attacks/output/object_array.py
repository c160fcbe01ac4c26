"""Return an array of Python objects, which is nothing but pointers.

Seen: invalid
Held from: weak
Bare: none: it becomes a danger only where it is sent as bytes
"""

import numpy as np


def attack(**others):
    return np.array([print, object()], dtype=object)
