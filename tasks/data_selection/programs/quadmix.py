"""QuaDMix: quality merged into one rank per domain, and a sigmoid of the rank to sample by.

Source: Liu et al., "QuaDMix: Quality-Diversity Balanced Data Selection for Efficient LLM
Pretraining", 2025, arXiv 2504.16511. The paper fits the sigmoid's parameters by small models; ours
are fixed, domains are the classes that the trusted nets see, and quality merges three scores.
"""

import numpy as np


def score(pool, k, rng):
    """Rank of merged quality within the domain, 0 the best to 1."""
    rows = np.arange(len(pool["y"]))
    belief = pool["probs"][:, :, rows, pool["y"]].mean(0)
    parts = (pool["tgt_probs"][rows, pool["y"]], belief.mean(0), -pool["grad_norm"])
    quality = sum((part - part.mean()) / (part.std() + 1e-9) for part in parts)
    domain = pool["tgt_probs"].argmax(1)
    rank = np.zeros(len(rows))
    for place in np.unique(domain):
        members = np.flatnonzero(domain == place)
        order = np.argsort(-quality[members], kind="stable")
        rank[members[order]] = np.arange(len(members)) / len(members)
    return rank


def choose(pool, w, k, rng):
    """At random in proportion to a falling sigmoid of w, all but none beyond a threshold."""
    steep, threshold, sharp, floor = 6.0, 0.5, 2.0, 1e-3
    inside = (2 / (1 + np.exp(-steep * np.maximum(threshold - w, 0)))) ** sharp - 1
    weight = np.where(w <= threshold, inside, 0) + floor
    return np.argsort(-(np.log(weight) + rng.gumbel(size=len(w))), kind="stable")[:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
