"""Dedup: one document of every group of near-duplicates, at random.

Source: Lee et al., "Deduplicating Training Data Makes Language Models Better", 2021, arXiv 2107.06499.
Ours compares embeddings, where the paper compares hashed n-grams and repeated substrings.
"""

import numpy as np

ALIKE = 0.97  # cosine from which on two documents are one


def score(docs, target, k, rng, feats):
    """Chance."""
    return rng.random(len(feats["ratio"]))


def choose(docs, target, w, k, rng, feats):
    """The highest that are not too like a higher one; then, if those do not fill, the others."""
    order = np.argsort(-w, kind="stable")
    E = feats["emb"][order]
    alike = np.tril(E @ E.T, -1) > ALIKE
    again = alike.any(1)
    return np.concatenate([order[~again], order[again]])[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
