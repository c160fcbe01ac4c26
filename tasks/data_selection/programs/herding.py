"""Herding: of every class the examples whose mean stays nearest to the mean of the class.

Source: Welling, "Herding Dynamical Weights to Learn", 2009, as used for exemplars by Rebuffi,
Kolesnikov, Sperl, Lampert, "iCaRL: Incremental Classifier and Representation Learning", 2017,
arXiv 1611.07725. Ours herds within given, noisy labels, in the proxies' normalised mean features,
and takes equal numbers of every class.
"""

import numpy as np


def score(pool, k, rng):
    """No preference: every example pulls its class mean alike."""
    return np.ones(len(pool["y"]))


def choose(pool, w, k, rng):
    """Herd every class towards its weighted mean, and take from the classes in turn."""
    E = pool["emb"] / (np.linalg.norm(pool["emb"], axis=1, keepdims=True) + 1e-9)
    turn = np.full(len(w), np.inf)
    quota = -(-k // max(len(np.unique(pool["y"])), 1))
    for label in range(pool["n_classes"]):
        members = np.flatnonzero(pool["y"] == label)
        if len(members):
            picks = herd(E[members], w[members], 2 * quota)
            turn[members[picks]] = np.arange(len(picks))
    turn[np.isinf(turn)] = len(turn)
    return np.argsort(turn, kind="stable")[:k]


def herd(E, w, count):
    """Greedily add the row that moves the mean of what is chosen nearest to the weighted mean."""
    pull = E @ np.average(E, axis=0, weights=np.maximum(w, 1e-9))
    dots = E @ E.T
    size = (E**2).sum(1)
    total = np.zeros(len(E))
    picks = []
    for t in range(1, min(count, len(E)) + 1):
        gain = 2 * t * pull - 2 * total - size
        gain[picks] = -np.inf
        picks.append(int(gain.argmax()))
        total = total + dots[picks[-1]]
    return np.array(picks, dtype=np.int64)


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
