"""Forgetting events: examples that nets learn and lose again most often.

Source: Toneva, Sordoni, Tachet des Combes, Trischler, Bengio, Gordon, "An Empirical Study of
Example Forgetting during Deep Neural Network Learning", 2019, arXiv 1812.05159. Ours counts between
stored checkpoints, not between minibatches; as in the paper, what is never learnt counts as
forgotten without end.
"""

import numpy as np


def score(pool, k, rng):
    """Mean number of times an example is forgotten; beyond the checkpoints if never learnt."""
    right = pool["probs"].argmax(-1) == pool["y"]
    lost = (right[:, :-1] & ~right[:, 1:]).sum(1)
    events = np.where(right.any(1), lost, pool["probs"].shape[1])
    return events.mean(0)


def choose(pool, w, k, rng):
    """The k highest, ties at random."""
    mixed = rng.permutation(len(w))
    return mixed[np.argsort(-w[mixed], kind="stable")[:k]]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
