"""GraNd, the hardest examples: those with the largest gradients early in training.

Source: Paul, Ganguli, Dziugaite, "Deep Learning on a Data Diet: Finding Important Examples Early
in Training", 2021, arXiv 2107.07075. Ours takes the norm of the last layer's gradient only, at one
early checkpoint, mean over nets; the paper that of all weights.
"""

import numpy as np


def score(pool, k, rng):
    """Norm of the last layer's gradient early in training."""
    return pool["grad_norm"]


def choose(pool, w, k, rng):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
