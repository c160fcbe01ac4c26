"""First fit decreasing: the largest item first, each into the first bin that has room.

Source: Johnson 1973, Near-optimal bin packing algorithms.
"""

import numpy as np


def pack(items, capacity, rng):
    score = 1.0 * items
    room = np.full(len(items), capacity)
    bins = np.zeros(len(items), dtype=np.int64)
    for item in np.argsort(-score, kind="stable"):
        bins[item] = np.argmax(room >= items[item])
        room[bins[item]] -= items[item]
    return bins
