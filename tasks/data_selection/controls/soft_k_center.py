"""Soft labels on a cover of the pool: k-center, with what nets that saw the whole pool believe."""

import numpy as np


def select(pool, k, rng, private):
    return {"rows": k_center(pool["X"], k), "labels": private["soft_labels"]}


def k_center(X, k):
    """Greedily the example farthest from all that are chosen."""
    norm = (X**2).sum(1)
    gap = np.full(len(X), np.inf, dtype=np.float32)
    nearest, chosen = 0, []
    for _ in range(min(k, len(X))):
        chosen.append(nearest)
        gap = np.minimum(gap, norm - 2 * (X @ X[nearest]) + norm[nearest])
        gap[chosen] = -np.inf
        nearest = int(gap.argmax())
    return np.array(chosen)
