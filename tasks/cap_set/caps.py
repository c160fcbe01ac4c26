"""Cap sets: sets of vectors over {0, 1, 2} of which no three different ones sum to 0 modulo 3."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np


@cache
def all_vectors(n: int) -> np.ndarray:
    """Give the 3^n vectors in lexicographic order, (3^n, n) int8."""
    return np.array(list(itertools.product((0, 1, 2), repeat=n)), dtype=np.int8)


def greedy(order: np.ndarray, n: int) -> np.ndarray:
    """Take vectors in the given order, each unless it is on a line with two that were taken.

    order: numbers of vectors, all different. Gives those that were taken, as they were taken.
    """
    vectors = all_vectors(n).astype(np.int64)
    powers = 3 ** np.arange(n - 1, -1, -1)
    blocked = np.zeros(len(vectors), dtype=bool)
    chosen = np.empty((len(order), n), dtype=np.int64)
    taken: list[int] = []
    for number in order.tolist():
        if blocked[number]:
            continue
        vector = vectors[number]
        third = -(chosen[: len(taken)] + vector) % 3
        blocked[third @ powers] = True
        blocked[number] = True
        chosen[len(taken)] = vector
        taken.append(number)
    return np.array(taken, dtype=np.int64)


def is_cap_set(vectors: np.ndarray) -> bool:
    """Tell whether no three different vectors sum to 0 modulo 3, and no two are equal."""
    vectors = np.asarray(vectors, dtype=np.int64)
    powers = 3 ** np.arange(vectors.shape[1] - 1, -1, -1)
    numbers = vectors @ powers
    if len(np.unique(numbers)) < len(numbers):
        return False
    thirds = (-(vectors[:, None] + vectors) % 3) @ powers
    np.fill_diagonal(thirds, -1)
    return not np.isin(thirds, numbers).any()
