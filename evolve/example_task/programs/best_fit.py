"""Best fit: items in the order given, each into the fullest bin that has room.

Source: Johnson et al. 1974, Worst-case performance bounds for simple packing algorithms.
"""

import numpy as np


def pack(items, capacity, rng):
    room = np.full(len(items), capacity)
    bins = np.zeros(len(items), dtype=np.int64)
    for item in range(len(items)):
        left = room - items[item]
        bins[item] = np.argmin(np.where(left >= 0, left, capacity))
        room[bins[item]] -= items[item]
    return bins
