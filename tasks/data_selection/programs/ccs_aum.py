"""CCS over AUM: drop the 30 % hardest, then sample evenly over strata of difficulty.

Source: Zheng, Liu, Lai, Prakash, "Coverage-centric Coreset Selection for High Pruning Rates", 2023,
arXiv 2210.15809; AUM from Pleiss et al., 2020, arXiv 2001.10528. Ours fixes the share that is
dropped, which the paper tunes for every budget.
"""

import numpy as np


def score(pool, k, rng):
    """Area under the margin: given label's logit minus the best other, mean over training."""
    logits = np.log(pool["probs"] + 1e-9)
    rows = np.arange(len(pool["y"]))
    own = logits[:, :, rows, pool["y"]]
    logits[:, :, rows, pool["y"]] = -np.inf
    return (own - logits.max(-1)).mean((0, 1))


def choose(pool, w, k, rng):
    """Drop the hardest share, then give every stratum of w an equal part of the budget."""
    drop, strata = 0.3, 50
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
    return choose(pool, -score(pool, k, rng), k, rng)
