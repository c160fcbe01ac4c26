"""Small loss: the examples whose given labels nets fit best.

Source: Han et al., "Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy
Labels", 2018, arXiv 1804.06872. The paper lets two nets choose for each other in every batch; ours
chooses once, by the mean loss of all nets at the last checkpoint.
"""

import numpy as np


def score(pool, k, rng):
    """Minus the cross-entropy of the given label at the end of training, mean over nets."""
    belief = pool["probs"][:, -1, np.arange(len(pool["y"])), pool["y"]]
    return np.log(belief + 1e-9).mean(0)


def choose(pool, w, k, rng):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
