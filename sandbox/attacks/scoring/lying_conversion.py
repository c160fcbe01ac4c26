"""Return an object that becomes another array each time it is looked at.

Seen: invalid
Held from: weak
Bare: bites
"""

import numpy as np


class Liar:
    def __array__(self, dtype=None, copy=None):
        return np.array(True)

    def __array_ufunc__(self, *_, **__):
        return np.array(True)

    def __eq__(self, other):
        return np.asarray(self)

    __hash__ = None


def attack(**others):
    return Liar()
