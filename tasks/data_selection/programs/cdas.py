"""CDAS: of every cluster the examples that are hard to follow for a trained model.

Source: Lv, Xia, Huang, "CodeACT: Code Adaptive Compute-efficient Tuning Framework for Code LLMs",
2024, arXiv 2408.02193, whose complexity is the instruction-following difficulty of a model tuned
on little data: loss with the instruction over loss without. Ours: the trusted nets' loss of the
label over the loss of guessing by the label's share.
"""

import numpy as np


def score(pool, k, rng):
    """Loss of the given label over its loss without the features, under the trusted nets."""
    y, p = pool["y"], pool["tgt_probs"]
    share = np.bincount(y, minlength=p.shape[1]) / len(y)
    loss = -np.log(p[np.arange(len(y)), y] + 1e-9)
    ratio = loss / (-np.log(share[y]) + 1e-3)
    # As in the paper, a ratio above one means that the features mislead: those come last.
    return np.where(ratio <= 1, ratio, -ratio)


def choose(pool, w, k, rng):
    """The highest w of every cluster, as many as its share of the pool."""
    clusters = 10
    home = k_means(pool["emb"], clusters, rng)
    order = np.argsort(-w, kind="stable")
    turn = np.empty(len(w))
    for place in np.unique(home):
        members = order[home[order] == place]
        turn[members] = (np.arange(len(members)) + 0.5) / len(members)
    return order[np.argsort(turn[order], kind="stable")][:k]


def k_means(X, count, rng, rounds=8):
    """Give the cluster of every row, 0 to at most count - 1, after Lloyd's rounds."""
    centres = X[rng.choice(len(X), min(count, len(X)), replace=False)]
    for _ in range(rounds):
        home = ((centres**2).sum(1) - 2 * X @ centres.T).argmin(1)
        member = (home == np.arange(len(centres))[:, None]).astype(X.dtype)
        size = member.sum(1, keepdims=True)
        centres = np.where(size > 0, member @ X / np.maximum(size, 1), centres)
    return home


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
