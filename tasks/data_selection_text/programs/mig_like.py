"""MIG-like: greedily the document that adds most information about the target's words.

Source: Chen et al., "MIG: Automatic Data Selection for Instruction Tuning by Maximizing Information Gain
in Semantic Space", 2025, arXiv 2504.13835. Ours has bins of words in place of a graph of labels: a
document adds to every bin its count, weighed by the document's quality, and the gain is that of a
concave function of the sums, weighed by how common a bin is in the target.
"""

import numpy as np

POWER = 0.5  # of the concave function; a small one asks for more diversity
QUALITY = 1.0  # power of the quality, which is the likelihood under the target's model
AT_A_TIME = 16  # documents chosen before gains are computed anew


def score(docs, target, k, rng, feats):
    """Quality in 0 to 1: how well the target's model tells a document, by rank."""
    return (np.argsort(np.argsort(-feats["bits_target"])) + 1) / len(docs)


def choose(docs, target, w, k, rng, feats):
    """Greedy, some at a time, by the slope of the information at what is chosen."""
    bins, where, who = feats["gram_bins"], feats["gram_bin"], feats["gram_doc"]
    count = feats["gram_count"] * (w**QUALITY)[who]
    wanted = np.bincount(
        feats["target_gram_bin"], weights=feats["target_gram_count"], minlength=bins
    )
    n = len(w)
    words = np.sqrt(np.bincount(who, weights=feats["gram_count"], minlength=n) + 1)
    have = np.ones(bins)
    free = np.ones(n, dtype=bool)
    chosen = []
    while len(chosen) < min(k, n):
        slope = wanted * POWER * have ** (POWER - 1)
        gain = np.bincount(who, weights=count * slope[where], minlength=n) / words
        gain[~free] = -1
        best = np.argsort(-gain, kind="stable")[: min(AT_A_TIME, min(k, n) - len(chosen))]
        chosen.extend(best.tolist())
        free[best] = False
        new = np.isin(who, best)
        have += np.bincount(where[new], weights=count[new], minlength=bins)
    return np.array(chosen)


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
