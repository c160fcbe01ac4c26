"""RDS+-like: target documents take their nearest pool documents in turn.

Source: Ivison et al., "Large-Scale Data Selection for Instruction Tuning", 2025, arXiv 2503.01807
(representation-based data selection, RDS+). Ours has embeddings from latent semantic analysis in place of a
language model's hidden states.
"""

import numpy as np


def score(docs, target, k, rng, feats):
    """The best rank that a document has with any target document, negated; ties by likeness."""
    like = feats["emb"] @ feats["target_emb"].T
    order = np.argsort(-like, axis=0, kind="stable")
    rank = np.empty(like.shape)
    for column in range(like.shape[1]):
        rank[order[:, column], column] = np.arange(len(like))
    return like.max(1) / 2 - rank.min(1)


def choose(docs, target, w, k, rng, feats):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
