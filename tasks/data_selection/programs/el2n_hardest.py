"""EL2N, the hardest examples: those with the largest error vectors.

Source: Paul, Ganguli, Dziugaite, "Deep Learning on a Data Diet: Finding Important Examples Early
in Training", 2021, arXiv 2107.07075. Ours averages over all checkpoints, not one early epoch.
"""

import numpy as np


def score(pool, k, rng):
    """Length of the error vector, mean over nets and checkpoints: high for hard examples."""
    error = pool["probs"] - np.eye(pool["n_classes"], dtype=np.float32)[pool["y"]]
    return np.sqrt((error**2).sum(-1)).mean((0, 1))


def choose(pool, w, k, rng):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
