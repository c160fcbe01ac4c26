"""Rules: documents whose shape is that of prose come first, in random order.

Source: Rae et al., "Scaling Language Models: Methods, Analysis & Insights from Training Gopher",
2021, arXiv 2112.11446, appendix A: length of words, share of marks, lines and words that repeat. Ours
has no rule of stop words, since letters are exchanged, and bounds fitted to texts of 512 bytes.
"""

import numpy as np

SHORTEST, LONGEST = 3.0, 10.0  # mean letters of a word
MOST_MARKS = 0.1  # share of bytes that are neither letters, digits nor white space
LEAST_LETTERS = 0.6
SMALLEST, LARGEST = 0.3, 0.75  # compressed size over size


def score(docs, target, k, rng, feats):
    """How many rules a document keeps, and less than one for luck."""
    share = feats["bytes"]
    white = share[:, [9, 10, 13, 32]].sum(1)
    letters = share[:, 65:91].sum(1) + share[:, 97:123].sum(1)
    marks = 1 - white - letters - share[:, 48:58].sum(1)
    word = (1 - white) / (white + 1e-3)
    kept = (word > SHORTEST).astype(float) + (word < LONGEST)
    kept += (marks < MOST_MARKS).astype(float) + (letters > LEAST_LETTERS)
    kept += (feats["ratio"] > SMALLEST).astype(float) + (feats["ratio"] < LARGEST)
    return kept + 0.9 * rng.random(len(kept))


def choose(docs, target, w, k, rng, feats):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(docs, target, k, rng, feats):
    return choose(docs, target, score(docs, target, k, rng, feats), k, rng, feats)
