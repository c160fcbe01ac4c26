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
    bins, count, size = feats["gram_bin"], feats["gram_count"], feats["gram_bins"]
    wanted = np.bincount(
        feats["target_gram_bin"].ravel(), weights=feats["target_gram_count"].ravel(), minlength=size
    )
    common = np.bincount(bins.ravel(), weights=count.ravel(), minlength=size) + SMOOTHING
    prior = common / common.sum()
    conditional = (1 - FINE_TUNING) * prior + FINE_TUNING * wanted / max(wanted.sum(), 1)
    gain = np.log2(conditional) - np.log2(prior)
    return (count * gain[bins]).sum(1) / (count.sum(1) + 1)


def choose(docs, target, w, k, rng, feats):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
