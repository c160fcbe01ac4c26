"""Ranks of the sum of the features."""

import numpy as np


def weigh(features, k, rng):
    total = features.sum(1)
    order = np.argsort(np.argsort(total))
    return order / len(order) - 0.5
