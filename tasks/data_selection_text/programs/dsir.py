"""DSIR: importance resampling by hashed words, without replacement.

Source: Xie, Santurkar, Ma, Liang, "Data Selection for Language Models via Importance Resampling",
2023, arXiv 2302.03169. Ours has 8,192 bins of words and pairs (10,000 there), adds a constant to every
count since 40 target documents leave most bins empty, and divides the log weight by the length's
square root, or the longest word lists would win by length alone.
"""

import numpy as np

SMOOTHING = 0.1  # added to the count of every bin
LENGTH = 0.5  # power of the number of words by which log weights are divided


def score(docs, target, k, rng, feats):
    """Log importance weight: how much likelier the words are in the target than in the pool."""
    bins, count, size = feats["gram_bin"], feats["gram_count"], feats["gram_bins"]
    wanted = np.bincount(
        feats["target_gram_bin"].ravel(), weights=feats["target_gram_count"].ravel(), minlength=size
    )
    common = np.bincount(bins.ravel(), weights=count.ravel(), minlength=size)
    ratio = np.log(wanted + SMOOTHING) - np.log(wanted.sum() + SMOOTHING * size)
    ratio -= np.log(common + SMOOTHING) - np.log(common.sum() + SMOOTHING * size)
    return (count * ratio[bins]).sum(1) / (count.sum(1) + 1) ** LENGTH


def choose(docs, target, w, k, rng, feats):
    """The k highest after Gumbel noise: a draw without replacement in proportion to exp(w)."""
    return np.argsort(-(w + rng.gumbel(size=len(w))), kind="stable")[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
