"""DFN-like: what a net that saw only trusted data believes most.

Source: Fang, Jose, Jain, Schmidt, Toshev, Shankar, "Data Filtering Networks", 2023,
arXiv 2309.17425. Ours filters by the trusted nets' probability of the given label, where the paper
filters image-text pairs by the similarity that a small network trained on good data gives them.
"""

import numpy as np


def score(pool, k, rng):
    """Probability of the given label under the nets that saw only the trusted examples."""
    return pool["tgt_probs"][np.arange(len(pool["y"])), pool["y"]]


def choose(pool, w, k, rng):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
