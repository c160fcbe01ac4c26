"""Monotonic basin hopping: the best packing so far is shaken a little and improved again.

Source: Grosso, Jamali, Locatelli, Schoen, "Solving the problem of packing equal and unequal circles
in a circular container", 2010. Ours shakes all centres by a normal step.
"""

import numpy as np


def start(centers, rng):
    """Each centre moved by a share of the mean distance between neighbours."""
    share = 0.25
    step = share / np.sqrt(len(centers)) * rng.standard_normal(centers.shape)
    return np.clip(centers + step, 0.0, 1.0)


def pack(centers, rng, improve, evaluations):
    best, most = centers, -1.0
    for _ in range(evaluations):
        found, total = improve(start(best, rng))
        if total > most:
            best, most = found, total
    return best
