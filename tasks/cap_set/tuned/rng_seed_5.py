"""FunSearch's priority for eight dimensions, which led to the first known cap set of 512 vectors.

Source: Romera-Paredes et al., "Mathematical discoveries from program search with large language
models", 2024. Ours scores all vectors at once, with the same numbers.
"""

import numpy as np


def mirrored(vectors, i):
    """Whether coordinate i equals the one as far from the other end, counted from 1."""
    return vectors[:, i] == vectors[:, -i]


def opening(vectors, n):
    """What is settled before the coordinates are read: rewards for mirrored ones."""
    full = (vectors != 0).all(1)
    reward, penalty = 1.5, 0.5
    score = np.where(full, n + n**2, n) * 1.0
    for i in (1, 2, 3):
        alike = mirrored(vectors, i)
        score = np.where(full & alike, score * reward, score)
        if i < 3:
            score = np.where(~full & alike, score * penalty, score)
    return score


def priority(vectors, n):
    score = opening(vectors, n)
    zeros = (vectors == 0).sum(1)
    seen = np.zeros(len(vectors))
    first, last, base = 0.5, 0.5, 0.5
    for column in vectors.T:
        middle = np.where(seen == zeros - 1, last, n * base**seen)
        factor = np.where(seen == 0, n * first, middle)
        score = np.where(column == 0, score * factor, score + 1)
        seen = seen + (column == 0)
    for i in (1, 2):
        score = np.where(mirrored(vectors, i), score * 1.5, score)
    return score
