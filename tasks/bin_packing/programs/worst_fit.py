"""Worst fit: the started bin with the most room; a new one only where none has room.

Source: Johnson, "Near-optimal bin packing algorithms", 1973 (worst fit).
"""

import numpy as np


def score(item, bins):
    new = 1000.0
    return np.where(bins < bins.max(), bins, bins - new)
