"""First fit: the bin that was opened first.

Source: Johnson, Demers, Ullman, Garey, Graham, "Worst-case performance bounds for simple
one-dimensional packing algorithms", 1974.
"""

import numpy as np


def priority(capacity, item, bins):
    return np.zeros(len(bins))
