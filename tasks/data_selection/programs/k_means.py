"""k-means diversity: as many clusters as the budget holds, and of each the example at its centre.

Source: Xu, Yu, Tresp, Xu, Wang, "Representative Sampling for Text Classification Using Support
Vector Machines", 2003. The paper clusters what lies inside a margin; ours the whole pool, by its
given features.
"""

import numpy as np


def score(pool, k, rng):
    """No preference: every example pulls its centre alike."""
    return np.ones(len(pool["y"]), dtype=np.float32)


def choose(pool, w, k, rng):
    """Weighted Lloyd from random centres; then each centre takes its nearest free example."""
    rounds = 5
    X = pool["X"]
    k = min(k, len(X))
    centres = X[rng.choice(len(X), k, replace=False)]
    for _ in range(rounds):
        home = distances(X, centres).argmin(1)
        mass = np.bincount(home, w, minlength=k)[:, None]
        order = np.argsort(home, kind="stable")
        first = np.searchsorted(home[order], np.arange(k))
        total = np.cumsum(np.vstack([0 * X[:1], (X * w[:, None])[order]]), axis=0, dtype=np.float64)
        sums = total[np.append(first[1:], len(X))] - total[first]
        centres = np.where(mass > 0, sums / np.maximum(mass, 1e-12), centres).astype(np.float32)
    gap = distances(centres, X)
    free = np.ones(len(X), dtype=bool)
    for centre in np.argsort(gap.min(1), kind="stable"):
        free[np.where(free, gap[centre], np.inf).argmin()] = False
    return np.flatnonzero(~free)


def distances(A, B):
    """Squared distances between rows."""
    return (A**2).sum(1)[:, None] - 2 * A @ B.T + (B**2).sum(1)


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
