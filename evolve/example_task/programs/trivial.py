"""Random choice: items in random order, each into the current bin or else a new one."""

import numpy as np


def pack(items, capacity, rng):
    bins = np.zeros(len(items), dtype=np.int64)
    current, load = 0, 0
    for item in rng.permutation(len(items)):
        if load + items[item] > capacity:
            current, load = current + 1, 0
        bins[item] = current
        load += items[item]
    return bins
