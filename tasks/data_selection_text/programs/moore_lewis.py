"""Moore-Lewis: the lowest difference of cross-entropies under a target and a general model.

Source: Moore and Lewis, "Intelligent Selection of Language Model Training Data", 2010. Ours has byte
4-gram models, the general one of half of the pool, where the paper has word models of equal size.
"""

import numpy as np


def score(docs, target, k, rng, feats):
    """Bits per byte under the general model, less those under the target's."""
    return feats["bits_prior"] - feats["bits_target"]


def choose(docs, target, w, k, rng, feats):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
