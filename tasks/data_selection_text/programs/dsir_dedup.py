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
    bins, count, size = feats["gram_bin"], feats["gram_count"], feats["gram_bins"]
    wanted = np.bincount(
        feats["target_gram_bin"].ravel(), weights=feats["target_gram_count"].ravel(), minlength=size
    )
    common = np.bincount(bins.ravel(), weights=count.ravel(), minlength=size)
    ratio = np.log(wanted + SMOOTHING) - np.log(wanted.sum() + SMOOTHING * size)
    ratio -= np.log(common + SMOOTHING) - np.log(common.sum() + SMOOTHING * size)
    weight = (count * ratio[bins]).sum(1) / (count.sum(1) + 1) ** LENGTH
    return weight + rng.gumbel(size=len(weight))


def choose(docs, target, w, k, rng, feats):
    """The highest that are not too like a higher one; then, if those do not fill, the others."""
    order = np.argsort(-w, kind="stable")
    E = feats["emb"][order]
    alike = np.tril(E @ E.T, -1) > ALIKE
    again = alike.any(1)
    return np.concatenate([order[~again], order[again]])[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
