"""CoLoR-Filter-like: what a model gains by going on from general to target text.

Source: Brandfonbrener et al., "CoLoR-Filter: Conditional Loss Reduction Filtering for Targeted Language
Model Pre-training", 2024, arXiv 2406.10670. Ours has models of hashed words instead of nets: the prior
counts the pool, and the conditional model is the prior with the target's counts added at a larger
weight; the score is the gain in bits per word, largest first.
"""

import numpy as np

FINE_TUNING = 0.5  # share of the target in the conditional model
SMOOTHING = 0.5


def score(docs, target, k, rng, feats):
    """Reduction of the loss per word from the prior to the conditional model."""
    bins, where, count = feats["gram_bins"], feats["gram_bin"], feats["gram_count"]
    wanted = np.bincount(
        feats["target_gram_bin"], weights=feats["target_gram_count"], minlength=bins
    )
    common = np.bincount(where, weights=count, minlength=bins) + SMOOTHING
    prior = common / common.sum()
    conditional = (1 - FINE_TUNING) * prior + FINE_TUNING * wanted / max(wanted.sum(), 1)
    gain = np.log2(conditional) - np.log2(prior)
    n = len(docs)
    words = np.bincount(feats["gram_doc"], weights=count, minlength=n)
    return np.bincount(feats["gram_doc"], weights=count * gain[where], minlength=n) / (words + 1)


def choose(docs, target, w, k, rng, feats):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
