"""EoH's rule: nearly exact fits first, else the room left times how full the bin would be, changed by search."""

import numpy as np


def score(item, bins):
    rest = bins - item
    decay = np.exp(rest)
    combined = (1 - rest / bins) * np.sqrt(rest)
    adjusted = np.where(rest > item * 3, combined + 0.751, combined + 0.21)
    return bins / ((decay + 0.503) * decay) + adjusted
