"""Diversify and conquer: samples from clusters, whose shares grow with what samples turn out to be.

Source: Yu, Chen, Ahmadian, Fadaee, "Diversify and Conquer: Diversity-Centric Data Selection with
Iterative Refinement", 2024, arXiv 2409.11378. The paper judges a round's samples by a model tuned
on them; ours by the trusted nets' belief in their labels.
"""

import numpy as np


def score(pool, k, rng):
    """Quality of an example: the trusted nets' belief in its label."""
    return pool["tgt_probs"][np.arange(len(pool["y"])), pool["y"]].astype(np.float64)


def choose(pool, w, k, rng):
    """Draw in rounds: clusters by their weight, their members by w; then weigh clusters anew."""
    clusters, rounds = 40, 5
    k = min(k, len(w))
    home = k_means(pool["X"], clusters, rng)
    count = home.max() + 1
    share = np.bincount(home, minlength=count) / len(w)
    free = np.ones(len(w), dtype=bool)
    for turn in range(rounds):
        want = k * (turn + 1) // rounds - k * turn // rounds
        left = np.bincount(home[free], w[free] + 1e-6, minlength=count)
        chance = share[home] * (w + 1e-6) / np.maximum(left[home], 1e-12)
        keys = np.where(free, np.log(chance + 1e-12) + rng.gumbel(size=len(w)), -np.inf)
        drawn = np.argsort(-keys, kind="stable")[:want]
        free[drawn] = False
        sampled = np.bincount(home[drawn], minlength=count)
        found = np.bincount(home[drawn], w[drawn], minlength=count) / np.maximum(sampled, 1)
        better = np.where(sampled > 0, found / max(w[drawn].mean() if want else 1, 1e-9), 1)
        share = share * better / (share * better).sum()
    return np.flatnonzero(~free)


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
