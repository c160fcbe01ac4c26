"""Random choice: a random number for every bin, fixed for an item size."""

import numpy as np


def score(item, bins):
    return np.random.default_rng(int(item)).random(len(bins))
