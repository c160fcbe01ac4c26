"""Next fit: the current bin while there is room, else a new one (Johnson 1973)."""

import numpy as np


def pack(items, rng):
    bins, current, load = np.zeros(len(items), dtype=int), 0, 0
    for i, item in enumerate(items):
        if load + item > 100:
            current, load = current + 1, 0
        bins[i] = current
        load += item
    return bins
