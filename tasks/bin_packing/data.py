"""Sequences of items: the published generator, and others that only `test` shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from evolve.task import rng

# So many sequences make an instance, as in the published protocol.
SEQUENCES = 5
# Numpy's legacy seed of the published sequences.
PUBLISHED_SEED = 2024


@dataclass(frozen=True)
class Kind:
    """A way to draw items. draw: (generator, count) -> sizes, whole numbers up to the capacity."""

    name: str
    capacity: int
    length: int
    draw: Callable[[np.random.Generator, int], np.ndarray]


def weibull(shape: float, scale: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Give a drawer of round(clip(Weibull(shape) * scale, 1, 100))."""
    return lambda draw, count: whole(draw.weibull(shape, count) * scale)


def uniform(low: int, high: int) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Give a drawer of whole numbers from low to high, both included."""
    return lambda draw, count: draw.integers(low, high + 1, count)


def whole(sizes: np.ndarray) -> np.ndarray:
    return np.round(np.clip(sizes, 1, 100)).astype(np.int64)


# FunSearch's and EoH's: Weibull(3) * 45 in bins of 100.
PUBLISHED = Kind("weibull 5k", 100, 5_000, weibull(3.0, 45.0))
# What `test` has besides, four instances each: other lengths, and other distributions.
UNSEEN = (
    Kind("weibull 1k", 100, 1_000, weibull(3.0, 45.0)),
    Kind("weibull 10k", 100, 10_000, weibull(3.0, 45.0)),
    Kind("wide weibull", 100, 5_000, weibull(2.0, 40.0)),
    Kind("narrow weibull", 100, 5_000, weibull(5.0, 35.0)),
    Kind("uniform", 150, 5_000, uniform(20, 100)),
)
UNSEEN_INSTANCES = 4


def sequences(kind: Kind, *names: object) -> np.ndarray:
    """Draw the sequences of an instance, (sequences, length) whole numbers."""
    draw = rng("bin_packing", kind.name, *names)
    return np.stack([kind.draw(draw, kind.length) for _ in range(SEQUENCES)])


def published() -> Iterator[tuple[str, np.ndarray]]:
    """Give (protocol, sequences) of the published lengths, each from a fresh legacy generator."""
    for name, length in (("weibull_1k", 1_000), ("weibull_5k", 5_000), ("weibull_10k", 10_000)):
        draw = np.random.RandomState(PUBLISHED_SEED)
        yield name, np.stack([whole(draw.weibull(3.0, length) * 45) for _ in range(SEQUENCES)])


def lower_bound(items: np.ndarray, capacity: int) -> np.ndarray:
    """Give for each sequence how many bins its items fill if cut at will: ceil(sum / capacity)."""
    return -(-items.sum(1) // capacity)
