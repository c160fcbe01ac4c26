"""Hand-made: exact fits first, then rests that later items can use, and slivers last.

The idea stands behind Csirik, Johnson, Kenyon, Orlin, Shor, Weber, "On the sum-of-squares algorithm
for bin packing", 2006, which evens out how many bins have each residual capacity. A rule here is
not told how many there are; this one guesses how well a rest can be used from its size.
"""

import numpy as np


def usable(rest, full):
    """How well a rest can be used: not at all where small, well from about a third on."""
    small, width = 0.3, 0.08
    return 1 / (1 + np.exp(-(rest / full - small) / width))


def score(item, bins):
    exact, weight = 0.01, 2.0
    rest, full = bins - item, bins.max()
    return np.where(rest <= exact * full, weight, usable(rest, full) - rest / full)
