"""Return an array of a kind that is equal to everything.

Seen: invalid
Held from: weak
Bare: bites
"""

import numpy as np


class Liar(np.ndarray):
    def __eq__(self, other):
        return True

    __hash__ = None


def attack(numbers, **others):
    return numbers.view(Liar)
