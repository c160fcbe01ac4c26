"""Worst fit: the started bin with the most room; a new one only where none has room.

Source: Johnson, "Near-optimal bin packing algorithms", 1973.
"""

import numpy as np


def priority(capacity, item, bins):
    return np.where(bins < capacity, bins, bins - 10.0 * capacity)
