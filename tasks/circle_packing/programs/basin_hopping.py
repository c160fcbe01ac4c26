"""Monotonic basin hopping: the best packing so far is shaken a little and improved again.

Source: Grosso, Jamali, Locatelli, Schoen, "Solving the problem of packing equal and unequal circles
in a circular container", 2010. Ours shakes all centres by a normal step.
"""

import numpy as np


def start(n, rng):
    """Centres anywhere."""
    return rng.random((n, 2))


def shaken(centers, rng):
    """Each centre moved by a share of the mean distance between neighbours."""
    share = 0.25
    step = share / np.sqrt(len(centers)) * rng.standard_normal(centers.shape)
    return np.clip(centers + step, 0.0, 1.0)


def pack(n, rng, improve, evaluations):
    best, most = improve(start(n, rng))
    for _ in range(evaluations - 1):
        centers, total = improve(shaken(best, rng))
        if total > most:
            best, most = centers, total
    return best
