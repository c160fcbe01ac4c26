"""CCS over EL2N: drop the 20 % hardest, then sample evenly over strata of difficulty.

Source: Zheng, Liu, Lai, Prakash, "Coverage-centric Coreset Selection for High Pruning Rates", 2023,
arXiv 2210.15809. Ours fixes the share that is dropped, which the paper tunes for every budget.
"""

import numpy as np


def score(pool, k, rng):
    """Length of the error vector, mean over nets and checkpoints: high for hard examples."""
    error = pool["probs"] - np.eye(pool["n_classes"], dtype=np.float32)[pool["y"]]
    return np.sqrt((error**2).sum(-1)).mean((0, 1))


def choose(pool, w, k, rng):
    """Drop the hardest share, then give every stratum of w an equal part of the budget."""
    drop, strata = 0.2, 50
    kept = np.argsort(w, kind="stable")[: max(int(len(w) * (1 - drop)), min(k, len(w)))]
    edges = np.linspace(w[kept[0]], w[kept[-1]], strata + 1)
    place = np.clip(np.searchsorted(edges, w[kept], side="right") - 1, 0, strata - 1)
    groups = [rng.permutation(kept[place == i]) for i in range(strata)]
    groups = sorted((group for group in groups if len(group)), key=len)
    chosen, left = [], k
    for i, group in enumerate(groups):
        part = group[: left // (len(groups) - i)]
        chosen.append(part)
        left -= len(part)
    return np.concatenate(chosen)


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
