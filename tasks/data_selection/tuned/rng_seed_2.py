"""D3-like: diversity, difficulty and dependability in one weighted k-center, changed by search."""

import numpy as np


def score(pool, k, rng):
    """Dependability times difficulty."""
    rows = np.arange(len(pool['y']))
    belief = pool['probs'].mean((0, 1))
    dependable = np.sqrt(pool['tgt_probs'][rows, pool['y']]) * belief[rows, pool['y']]
    ranked = np.sort(belief, axis=1)
    difficult = 1 - (ranked[:, -1] - ranked[:, -2])
    return dependable * (0.0153 + difficult)


def choose(pool, w, k, rng):
    """Greedily the largest weighted distance to the nearest chosen example."""
    X = pool['X']
    norm = (X ** 2).sum(1)
    gap = np.full(len(X), np.inf, dtype=np.float32)
    nearest = int(w.argmax())
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
