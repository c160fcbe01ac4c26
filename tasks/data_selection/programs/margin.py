"""Margin sampling: the examples between whose two likeliest classes a trained net hardly decides.

Source: Scheffer, Decomain, Wrobel, "Active Hidden Markov Models for Information Extraction", 2001;
with cheap proxies as in Coleman et al., "Selection via Proxy: Efficient Data Selection for Deep
Learning", 2020, arXiv 1906.11829. Ours has no rounds of labelling: one choice, by the mean of
all nets at the last checkpoint.
"""

import numpy as np


def score(pool, k, rng):
    """Minus the gap between the two likeliest classes at the end of training."""
    ranked = np.sort(pool["probs"][:, -1], axis=-1)
    return -(ranked[..., -1] - ranked[..., -2]).mean(0)


def choose(pool, w, k, rng):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
