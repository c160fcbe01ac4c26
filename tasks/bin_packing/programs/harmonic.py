"""Harmonic-like: best fit, but only among bins that stand open for this item's class of sizes.

Source: Lee, Lee, "A simple on-line bin-packing algorithm", 1985. There every class (1/2 to 1, 1/3
to 1/2, ...) has bins of its own; ours cannot know what is in a bin, and takes a bin for one of the
class if what it still holds is a multiple of the class's largest size. Others come last.
"""

import numpy as np


def score(item, bins):
    largest_class = 7.0
    full = bins.max()
    number = np.minimum(np.floor(full / item), largest_class)
    slot = full / number
    of_class = np.abs(bins / slot - np.round(bins / slot)) < 0.5 / number
    return np.where(of_class, -bins, -bins - full)
