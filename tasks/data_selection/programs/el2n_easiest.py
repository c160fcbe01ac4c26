"""EL2N turned around, the easiest examples: those with the smallest error vectors.

Source of the score: Paul, Ganguli, Dziugaite, "Deep Learning on a Data Diet: Finding Important
Examples Early in Training", 2021, arXiv 2107.07075. The paper keeps the hardest; noisy labels are
hard too, so ours also tries the other end, and averages over all checkpoints.
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
    return choose(pool, -score(pool, k, rng), k, rng)
