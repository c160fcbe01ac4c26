"""Vendi-greedy: greedily the largest effective number of distinct examples.

Source: Friedman, Dieng, "The Vendi Score: A Diversity Evaluation Metric for Machine Learning",
2023, arXiv 2210.02410; of order 2 as in Pasarkar, Dieng, "Cousins of the Vendi Score: A Family of
Similarity-Based Diversity Metrics for Science and Machine Learning", 2024, arXiv 2310.12952. That
order needs no eigenvalues: it is n^2 over the sum of squared similarities, here Gaussian ones.
"""

import numpy as np


def score(pool, k, rng):
    """No preference."""
    return np.ones(len(pool["y"]), dtype=np.float32)


def choose(pool, w, k, rng):
    """Greedily the least squared similarity to what is chosen, for its weight; first by weight."""
    X = pool["X"]
    norm = (X**2).sum(1)
    width = np.median(norm + norm.mean() - 2 * X @ X.mean(0)) / 2 + 1e-12
    alike = np.zeros(len(X), dtype=np.float32)
    nearest = int((w * rng.uniform(0.5, 1, len(w))).argmax())
    chosen = []
    for _ in range(min(k, len(X))):
        chosen.append(nearest)
        squared = np.maximum(norm - 2 * (X @ X[nearest]) + norm[nearest], 0)
        alike += np.exp(-2 * squared / width)
        cost = (alike + 0.5) / w
        cost[chosen] = np.inf
        nearest = int(cost.argmin())
    return np.array(chosen)


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
