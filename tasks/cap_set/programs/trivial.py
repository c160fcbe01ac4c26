"""Random order."""

import numpy as np


def priority(vectors, n):
    return np.random.default_rng(0).random(len(vectors))
