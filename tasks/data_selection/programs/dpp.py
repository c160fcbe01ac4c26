"""DPP: greedily the set of the largest determinant, quality times difference.

Source: Kulesza, Taskar, "Determinantal Point Processes for Machine Learning", 2012,
arXiv 1207.6083; greedy as in Chen, Zhang, Zhou, "Fast Greedy MAP Inference for Determinantal Point
Process to Improve Recommendation Diversity", 2018, arXiv 1709.05135. Ours has a Gaussian kernel on
given features and the trusted nets' belief as quality; pools of more than 2,048 are cut into
random parts that choose each for itself.
"""

import numpy as np


def score(pool, k, rng):
    """Quality: the trusted nets' belief in the given label, never quite none."""
    return pool["tgt_probs"][np.arange(len(pool["y"])), pool["y"]] + 0.01


def choose(pool, w, k, rng):
    """Every part of the pool greedily chooses its share."""
    most = 2048
    k = min(k, len(w))
    parts = np.array_split(rng.permutation(len(w)), -(-len(w) // most))
    ends = [k * (i + 1) // len(parts) - k * i // len(parts) for i in range(len(parts))]
    picks = [
        part[greedy(pool["X"][part], w[part], want)]
        for part, want in zip(parts, ends, strict=True)
        if want
    ]
    return np.concatenate(picks)


def greedy(X, quality, k):
    """The rows whose kernel matrix, times their qualities, has greedily the largest determinant."""
    norm = (X**2).sum(1)
    width = np.median(norm + norm.mean() - 2 * X @ X.mean(0)) / 2 + 1e-12
    left = (quality**2).astype(np.float32)
    factor = np.empty((k, len(X)), dtype=np.float32)
    chosen = []
    for t in range(k):
        left[chosen] = -np.inf
        best = int(left.argmax())
        chosen.append(best)
        squared = np.maximum(norm - 2 * (X @ X[best]) + norm[best], 0)
        row = quality[best] * quality * np.exp(-squared / width)
        root = np.sqrt(max(left[best], 1e-12))
        factor[t] = (row - factor[:t, best] @ factor[:t]) / root
        left = np.maximum(left - factor[t] ** 2, 0)
    return np.array(chosen)


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
