"""k-center: greedily the example farthest from all that are chosen, to cover the pool.

Source: Sener, Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach",
2018, arXiv 1708.00489. Ours is the greedy half without the outlier program, on the given features.
"""

import numpy as np


def score(pool, k, rng):
    """No preference."""
    return np.ones(len(pool["y"]), dtype=np.float32)


def choose(pool, w, k, rng):
    """Greedily the largest weighted distance to the nearest chosen example."""
    X = pool["X"]
    norm = (X**2).sum(1)
    gap = np.full(len(X), np.inf, dtype=np.float32)
    nearest = int(rng.integers(len(X)))
    chosen = []
    for _ in range(min(k, len(X))):
        chosen.append(nearest)
        gap = np.minimum(gap, norm - 2 * (X @ X[nearest]) + norm[nearest])
        reach = gap * w
        reach[chosen] = -np.inf
        nearest = int(reach.argmax())
    return np.array(chosen)


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
