"""FunSearch's rule for the Weibull instances, with neighbours in order of residual capacity.

Source: Romera-Paredes et al., "Mathematical discoveries from program search with large language
models", 2024, and the code published with it. There, each score is lessened by that of the bin
opened just before, so the rule depends on the order of bins. A rule here is shown the possible
residual capacities in ascending order, so the neighbour is the next smaller one: not the same rule.
"""

import numpy as np


def score(item, bins):
    largest = bins.max()
    liked = (bins - largest) ** 2 / item + bins**2 / item**2
    liked = liked + bins**2 / item**3
    liked = np.where(bins > item, -liked, liked)
    liked[1:] = liked[1:] - liked[:-1]
    return liked
