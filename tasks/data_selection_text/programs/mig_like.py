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
    bits = feats["bits_target"]
    return (np.argsort(np.argsort(-bits)) + 1) / len(bits)


def choose(docs, target, w, k, rng, feats):
    """Greedy, some at a time, by the slope of the information at what is chosen."""
    bins, size = feats["gram_bin"], feats["gram_bins"]
    words = np.sqrt(feats["gram_count"].sum(1) + 1)
    count = feats["gram_count"] * (w**QUALITY)[:, None]
    wanted = np.bincount(
        feats["target_gram_bin"].ravel(), weights=feats["target_gram_count"].ravel(), minlength=size
    )
    have = np.ones(size)
    free = np.ones(len(w), dtype=bool)
    chosen = []
    while len(chosen) < min(k, len(w)):
        slope = wanted * POWER * have ** (POWER - 1)
        gain = (count * slope[bins]).sum(1) / words
        gain[~free] = -1
        best = np.argsort(-gain, kind="stable")[: min(AT_A_TIME, min(k, len(w)) - len(chosen))]
        chosen.extend(best.tolist())
        free[best] = False
        have += np.bincount(bins[best].ravel(), weights=count[best].ravel(), minlength=size)
    return np.array(chosen)


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
