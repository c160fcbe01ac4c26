"""QuRating-like: sample documents in proportion to the exponential of a standardised rating.

Source: Wettig, Gupta, Malik, Chen, "QuRating: Selecting High-Quality Data for Training Language Models",
2024, arXiv 2402.09739: ratings with a temperature, drawn without replacement, since taking the top loses
diversity. Ours rates by likeness to the target's mean embedding and by compressing as target documents
do, where the paper's rater has learnt from a large model's judgements.
"""

import numpy as np

TEMPERATURE = 0.5
TYPICAL = 0.5  # weight of compressing as the target does


def score(docs, target, k, rng, feats):
    """Standardised rating."""
    like = feats["emb"] @ feats["target_emb"].mean(0)
    typical = -np.abs(feats["ratio"] - feats["target_ratio"].mean())
    return standard(like) + TYPICAL * standard(typical)


def standard(values):
    return (values - values.mean()) / (values.std() + 1e-9)


def choose(docs, target, w, k, rng, feats):
    """A draw without replacement in proportion to exp(w / temperature), by Gumbel noise."""
    return np.argsort(-(w / TEMPERATURE + rng.gumbel(size=len(w))), kind="stable")[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
