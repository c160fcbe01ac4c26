"""Multiwinner rank aggregation: scores vote, and each is represented in what is chosen.

Source: Thiele's sequential rule for proportional approval, 1895, as in Faliszewski, Skowron,
Slinko, Talmon, "Multiwinner Voting: A New Challenge for Social Choice Theory", 2017. Ours lets four
scores approve of their upper 2 k examples, and breaks ties by the mean of their ranks (Borda).
"""

import numpy as np


def score(pool, k, rng):
    """Ranks (N, 4) in 0 to 1: by belief, early belief, trusted nets and rarity of features."""
    rows = np.arange(len(pool["y"]))
    belief = pool["probs"][:, :, rows, pool["y"]].mean(0)
    X = pool["X"] - pool["X"].mean(0)
    parts = (
        belief.mean(0),
        belief[: max(len(belief) // 3, 1)].mean(0),
        pool["tgt_probs"][rows, pool["y"]],
        (X**2).sum(1),
    )
    order = np.argsort(np.stack(parts, axis=1), axis=0, kind="stable")
    return np.argsort(order, axis=0) / len(rows)


def choose(pool, w, k, rng):
    """Greedily what most voters approve of, each of them the less, the more it already got."""
    k = min(k, len(w))
    approves = w >= np.sort(w, axis=0)[-min(2 * k, len(w))]
    got = np.zeros(w.shape[1])
    value = 1e-3 * w.mean(1)
    free = np.ones(len(w), dtype=bool)
    for _ in range(k):
        best = int(
            np.where(free, approves @ (1 / (1 + got)) + value / (1 + got.min()), -1).argmax()
        )
        free[best] = False
        got += approves[best]
    return np.flatnonzero(~free)


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
