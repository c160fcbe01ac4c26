"""Logistic: what a linear classifier takes for target rather than for pool.

Source: Brown et al., "Language Models are Few-Shot Learners", 2020, arXiv 2005.14165, appendix A: a
logistic regression on hashed words tells curated from crawled documents. Ours takes the highest, where
the paper draws by a Pareto threshold.
"""

import numpy as np

STEPS, RATE = 40, 20.0  # of gradient descent
PENALTY = 1e-3  # of the slope's square


def score(docs, target, k, rng, feats):
    """The classifier's log odds of being target, trained with equal weight on pool and target."""
    pool = unit_rows(feats["gram_count"])
    wanted = unit_rows(feats["target_gram_count"])
    bins, target_bins, size = feats["gram_bin"], feats["target_gram_bin"], feats["gram_bins"]
    slope, offset = np.zeros(size), 0.0
    for _ in range(STEPS):
        error = chance((pool * slope[bins]).sum(1) + offset) / len(pool)
        missed = (chance((wanted * slope[target_bins]).sum(1) + offset) - 1) / len(wanted)
        gradient = np.bincount(bins.ravel(), (pool * error[:, None]).ravel(), size)
        gradient += np.bincount(target_bins.ravel(), (wanted * missed[:, None]).ravel(), size)
        slope = slope - RATE * (gradient + PENALTY * slope)
        offset = offset - (error.sum() + missed.sum())
    return (pool * slope[bins]).sum(1)


def unit_rows(count):
    """Square roots of counts, each document at length one."""
    value = np.sqrt(count)
    return value / (np.linalg.norm(value, axis=1, keepdims=True) + 1e-9)


def chance(odds):
    return 1 / (1 + np.exp(-np.clip(odds, -30, 30)))


def choose(docs, target, w, k, rng, feats):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
