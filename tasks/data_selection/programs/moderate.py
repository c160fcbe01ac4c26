"""Moderate coreset: examples whose distance from the centre of their class is near the median.

Source: Xia, Liu, Yu, Shen, Han, Liu, "Moderate Coreset: A Universal Method of Data Selection for
Real-world Data-efficient Deep Learning", 2023. Ours measures in the proxies' mean features and
takes equal numbers of every given class.
"""

import numpy as np


def score(pool, k, rng):
    """Minus how far the distance from the class mean is from the median of the class."""
    E, y = pool["emb"], pool["y"]
    apart = np.zeros(len(y))
    for label in range(pool["n_classes"]):
        members = np.flatnonzero(y == label)
        if len(members):
            distance = np.linalg.norm(E[members] - E[members].mean(0), axis=1)
            apart[members] = np.abs(distance - np.median(distance))
    return -apart


def choose(pool, w, k, rng):
    """The highest of every class in turn, until there are k."""
    order = np.argsort(-w, kind="stable")
    turn = np.empty(len(w), dtype=np.int64)
    for label in range(pool["n_classes"]):
        members = order[pool["y"][order] == label]
        turn[members] = np.arange(len(members))
    return order[np.argsort(turn[order], kind="stable")][:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
