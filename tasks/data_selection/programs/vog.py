"""VoG: examples whose gradients vary most over training.

Source: Agarwal, D'souza, Hooker, "Estimating Example Difficulty Using Variance of Gradients", 2022,
arXiv 2008.11600; for choosing data in Anand et al., "Influence Scores at Scale for Efficient
Language Data Sampling", 2023, arXiv 2311.16298. The paper takes gradients by pixels, of the logit
of the given label; ours by the logits, which is the error vector.
"""

import numpy as np


def score(pool, k, rng):
    """Variance of the error vector over checkpoints, mean over classes and nets, by class."""
    vary = pool["probs"].var(1).mean((0, 2))
    w = np.zeros(len(vary))
    for label in range(pool["n_classes"]):
        members = pool["y"] == label
        if members.any():
            w[members] = (vary[members] - vary[members].mean()) / (vary[members].std() + 1e-9)
    return w


def choose(pool, w, k, rng):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
