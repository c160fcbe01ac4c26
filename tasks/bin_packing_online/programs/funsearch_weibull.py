"""FunSearch's rule for the Weibull instances: each score less that of the bin opened before.

Source: Romera-Paredes et al., "Mathematical discoveries from program search with large language
models", 2024, and the code published with it.
"""

import numpy as np


def priority(capacity, item, bins):
    liked = (bins - bins.max()) ** 2 / item + bins**2 / item**2
    liked = liked + bins**2 / item**3
    liked = np.where(bins > item, -liked, liked)
    liked[1:] = liked[1:] - liked[:-1]
    return liked
