"""What pools are drawn from and graded on: clean examples of one kind, in parts that never mix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Labelled = tuple[np.ndarray, np.ndarray]
"""Rows (n, d) float32 and labels (n,) int64 in 0 to C - 1."""

Strange = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]
"""Makes rows (n, d) that belong to no class out of two rows each, (n, d) and (n, d)."""


@dataclass(frozen=True)
class Material:
    """Clean examples with d features of C classes.

    pool: what pools are drawn from. trusted: what trusted examples are taken from; None where that
    is `pool` too, and a pool then lacks those that were taken. valid, test: what choices are graded
    on, the second on the split `test` only.
    partners: (C,), the class that each is mistaken for; itself where there is none.
    jitter, span: copies differ by normal noise of that standard deviation, and stay in the span.
    strange, strange_unseen: kinds of rows that belong to no class; the second on `test` only.
    """

    pool: Labelled
    trusted: Labelled | None
    valid: Labelled
    test: Labelled
    classes: int
    partners: np.ndarray
    jitter: float
    span: tuple[float, float]
    strange: tuple[Strange, ...]
    strange_unseen: tuple[Strange, ...]

    def evaluation(self, split: str) -> Labelled:
        """Give what choices of a split are graded on."""
        return self.test if split == "test" else self.valid


def shuffled(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The values of a row in another order."""
    return draw.permuted(one, axis=1)


def mixed(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Two rows over one another."""
    share = draw.uniform(0.35, 0.65, (len(one), 1)).astype(np.float32)
    return share * one + (1 - share) * two


def stitched(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The first half of one row and the first half of another."""
    half = one.shape[1] // 2
    return np.concatenate([one[:, :half], two[:, : one.shape[1] - half]], axis=1)
