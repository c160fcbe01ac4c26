"""Logistic: what a linear classifier takes for target rather than for pool.

Source: Brown et al., "Language Models are Few-Shot Learners", 2020, arXiv 2005.14165, appendix A: a
logistic regression on hashed words tells curated from crawled documents. Ours takes the highest, where
the paper draws by a Pareto threshold.
"""

import numpy as np

STEPS, RATE = 60, 2.0  # of gradient descent
PENALTY = 1e-3


def score(docs, target, k, rng, feats):
    """The classifier's log odds, trained with equal weight on pool and target."""
    n, m, bins = len(docs), len(target), feats["gram_bins"]
    who = np.concatenate([feats["gram_doc"], feats["target_gram_doc"] + n])
    where = np.concatenate([feats["gram_bin"], feats["target_gram_bin"]])
    count = np.sqrt(np.concatenate([feats["gram_count"], feats["target_gram_count"]]))
    norm = np.sqrt(np.bincount(who, weights=count**2, minlength=n + m)) + 1e-9
    value = count / norm[who]
    label = np.concatenate([np.zeros(n), np.ones(m)])
    weight = np.concatenate([np.full(n, 0.5 / n), np.full(m, 0.5 / m)])
    slope, offset = np.zeros(bins), 0.0
    for _ in range(STEPS):
        odds = np.bincount(who, weights=value * slope[where], minlength=n + m) + offset
        error = weight * (1 / (1 + np.exp(-np.clip(odds, -30, 30))) - label)
        gradient = np.bincount(where, weights=value * error[who], minlength=bins)
        slope = slope - RATE * len(label) / (n + m) * (10 * gradient + PENALTY * slope)
        offset = offset - RATE * error.sum()
    return np.bincount(who, weights=value * slope[where], minlength=n + m)[:n]


def choose(docs, target, w, k, rng, feats):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
