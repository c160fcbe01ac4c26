"""MIG: greedily the example that adds most information to a graph of labels.

Source: Chen et al., "MIG: Automatic Data Selection for Instruction Tuning by Maximizing Information
Gain in Semantic Space", 2025, arXiv 2504.13835. The paper's labels are tags that a language model
gives, and quality a score by one; ours are 256 examples spread over the pool, to which others
belong by nearness, and the trusted nets' belief.
"""

import numpy as np


def score(pool, k, rng):
    """Quality: the trusted nets' belief in the given label."""
    return pool["tgt_probs"][np.arange(len(pool["y"])), pool["y"]]


def choose(pool, w, k, rng):
    """Greedily the largest gain of concave sums over labels, information spread to near labels."""
    labels, power, close = 256, 0.8, 5
    X = pool["X"]
    tags = X[:: -(-len(X) // labels)]
    belongs = nearness(X, tags, close)
    belongs /= belongs.sum(1, keepdims=True) + 1e-12
    spread = nearness(tags, tags, close)
    spread /= spread.sum(1, keepdims=True)
    adds = w[:, None] * (belongs @ spread)
    held = np.full(len(tags), 1e-3, dtype=adds.dtype)
    free = np.ones(len(X), dtype=bool)
    for _ in range(min(k, len(X))):
        gain = adds @ (power * held ** (power - 1))
        best = int(np.where(free, gain, -np.inf).argmax())
        free[best] = False
        held += adds[best]
    return np.flatnonzero(~free)


def nearness(A, B, close):
    """Similarity of rows, 0 to 1: at half beyond the mean distance of the nearest few."""
    squared = np.maximum((A**2).sum(1)[:, None] - 2 * A @ B.T + (B**2).sum(1), 0)
    width = np.sort(squared, axis=1)[:, :close].mean() + 1e-12
    return np.exp2(-squared / width)


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
