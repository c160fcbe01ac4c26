"""EoH's rule: nearly exact fits first, else the room left times how full the bin would be.

Source: Liu et al., "Evolution of Heuristics: Towards Efficient Automatic Algorithm Design Using
Large Language Model", 2024.
"""

import numpy as np


def priority(capacity, item, bins):
    rest = bins - item
    decay = np.exp(rest)
    combined = (1 - rest / bins) * np.sqrt(rest)
    adjusted = np.where(rest > item * 3, combined + 0.8, combined + 0.3)
    return bins / ((decay + 0.7) * decay) + adjusted
