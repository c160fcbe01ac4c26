"""DSIR with near-duplicates left out.

Source: Xie et al., "Data Selection for Language Models via Importance Resampling", 2023,
arXiv 2302.03169, which resamples a deduplicated pool; Lee et al., "Deduplicating Training Data Makes
Language Models Better", 2021, arXiv 2107.06499. Ours calls documents near-duplicates whose embeddings
point almost the same way, and keeps the likelier one.
"""

import numpy as np

SMOOTHING = 0.1  # added to the count of every bin
LENGTH = 0.5
ALIKE = 0.97  # cosine from which on two documents are one


def score(docs, target, k, rng, feats):
    """Log importance weight: how much likelier the words are in the target than in the pool."""
    bins, where, count = feats["gram_bins"], feats["gram_bin"], feats["gram_count"]
    wanted = np.bincount(
        feats["target_gram_bin"], weights=feats["target_gram_count"], minlength=bins
    )
    common = np.bincount(where, weights=count, minlength=bins)
    ratio = np.log(wanted + SMOOTHING) - np.log(wanted.sum() + SMOOTHING * bins)
    ratio -= np.log(common + SMOOTHING) - np.log(common.sum() + SMOOTHING * bins)
    n = len(docs)
    weight = np.bincount(feats["gram_doc"], weights=count * ratio[where], minlength=n)
    words = np.bincount(feats["gram_doc"], weights=count, minlength=n)
    return weight / (words + 1) ** LENGTH + rng.gumbel(size=n)


def choose(docs, target, w, k, rng, feats):
    """The highest that are not too like a higher one; then, if those do not fill, the others."""
    order = np.argsort(-w, kind="stable")
    E = feats["emb"][order]
    alike = np.tril(E @ E.T, -1) > ALIKE
    again = alike.any(1)
    return np.concatenate([order[~again], order[again]])[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
