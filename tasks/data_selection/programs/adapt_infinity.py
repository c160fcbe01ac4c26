"""Adapt-infinity: clusters of gradients, each sampled over its most telling score.

Source: Maharana, Yoon, Chen, Bansal, "Adapt-infinity: Scalable Continual Multimodal Instruction
Tuning via Dynamic Data Selection", 2024, arXiv 2410.10636. There tasks come one after another, and
what is redundant is dropped for good; ours selects once. As there, a cluster takes the score whose
histogram has the highest entropy, and is sampled over its strata after the hardest are dropped.
"""

import numpy as np


def score(pool, k, rng):
    """Four difficulties (N, 4) as ranks: by belief, entropy, early gradient and trusted nets."""
    rows = np.arange(len(pool["y"]))
    mean = pool["probs"].mean((0, 1))
    parts = (
        -mean[rows, pool["y"]],
        -(mean * np.log(mean + 1e-9)).sum(1),
        pool["grad_norm"],
        -pool["tgt_probs"][rows, pool["y"]],
    )
    return np.stack([(p - p.min()) / (np.ptp(p) + 1e-9) for p in parts], axis=1)


def choose(pool, w, k, rng):
    """Per cluster the column of highest entropy; then in turns over strata and over clusters."""
    clusters, bins, drop = 20, 20, 0.3
    error = 1 - pool["probs"].mean((0, 1))[np.arange(len(w)), pool["y"]]
    home = k_means(pool["emb"] * error[:, None], clusters, rng)
    turn = np.empty(len(w))
    for place in np.unique(home):
        members = rng.permutation(np.flatnonzero(home == place))
        counts = [np.histogram(column, bins, (0, 1))[0] for column in w[members].T]
        shares = np.array(counts) / len(members)
        best = (-shares * np.log(shares + 1e-12)).sum(1).argmax()
        order = members[np.argsort(w[members, best], kind="stable")]
        kept = order[: max(int(len(order) * (1 - drop)), 1)]
        strata = (w[kept, best] * bins).astype(int)
        fresh = np.arange(len(kept)) - np.searchsorted(strata, strata)
        turn[kept] = np.argsort(np.argsort(fresh, kind="stable")) / len(kept)
        turn[order[len(kept) :]] = 2 + np.arange(len(order) - len(kept)) / len(order)
    return np.argsort(turn, kind="stable")[:k]


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
