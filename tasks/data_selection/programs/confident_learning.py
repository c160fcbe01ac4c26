"""Confident learning: drop labels that a net contradicts with confidence, then draw from the rest.

Source: Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
2021, arXiv 1911.00068. Predictions must be out of sample: ours are the trusted nets', where the
paper cross-validates. What is dropped is the off-diagonal of the confident joint; the paper then
trains on all the rest, ours on random examples of it.
"""

import numpy as np


def score(pool, k, rng):
    """1 where no other class is confident, else minus how much more it is believed."""
    p, y = pool["tgt_probs"], pool["y"]
    rows = np.arange(len(y))
    own = p[rows, y]
    enough = np.array(
        [own[y == label].mean() if (y == label).any() else 1.0 for label in range(p.shape[1])]
    )
    confident = np.where(p >= enough, p, 0)
    said = confident.argmax(1)
    wrong = (confident.max(1) > 0) & (said != y)
    return np.where(wrong, own - p[rows, said], 1.0)


def choose(pool, w, k, rng):
    """The k highest, ties at random."""
    mixed = rng.permutation(len(w))
    return mixed[np.argsort(-w[mixed], kind="stable")[:k]]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
