"""Builds cap sets with a discovered priority, and checks them.

from found import catalogue  # the exported package
from found.build import build, is_cap_set

priority = next(iter(catalogue().values())).function
vectors = build(priority, n=8)     # (size, 8), in the order in which they were taken
assert is_cap_set(vectors)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np


def build(priority: Callable[[np.ndarray, int], np.ndarray], n: int) -> np.ndarray:
    """Take the vectors of n dimensions greedily, by priority, ties in lexicographic order.

    priority: gives one number per row of (3^n, n); -inf for what is never taken.
    """
    vectors = np.array(list(itertools.product((0, 1, 2), repeat=n)), dtype=np.int64)
    scores = np.asarray(priority(vectors.copy(), n), dtype=np.float64)
    powers = 3 ** np.arange(n - 1, -1, -1)
    open_ = scores > -np.inf
    taken = np.empty((0, n), dtype=np.int64)
    for number in np.argsort(-scores, kind="stable"):
        if open_[number]:
            open_[-(taken + vectors[number]) % 3 @ powers] = False
            open_[number] = False
            taken = np.concatenate([taken, vectors[None, number]])
    return taken


def is_cap_set(vectors: np.ndarray) -> bool:
    """Tell whether no three different rows sum to 0 modulo 3, and no two are equal."""
    rows = {tuple(row) for row in np.asarray(vectors).tolist()}
    if len(rows) < len(vectors):
        return False
    return not any(
        tuple(-(a + b) % 3 for a, b in zip(one, other, strict=True)) in rows
        for one, other in itertools.combinations(rows, 2)
    )
