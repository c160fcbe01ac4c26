"""Small learning problems on real data: what is learnt, on which rows, from which weights."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from evolve.task import rng

from .own_data import user_rows

DATA = Path(__file__).parent / "data"
TRAIN_SHARE = 0.6  # of the rows that a draw uses; the rest measures
MOST_ROWS = 900  # a draw uses, so that two draws of a large data set differ
LARGE_NOISE = 0.4


@dataclass(frozen=True)
class Kind:
    """What a net learns. noise: share of training labels that are drawn anew. hidden: its layers."""

    name: str
    source: str
    hidden: tuple[int, ...]
    noise: float = 0.0


SEEN = (
    Kind("digits", "digits", (32,)),
    Kind("noisy digits", "digits", (32,), 0.2),
    Kind("breast cancer", "breast_cancer", (24,)),
    Kind("wine", "wine", (24,)),
)
# Other data, widths and depths than any that a search was graded on.
UNSEEN = (
    Kind("wide digits", "digits", (128,)),
    Kind("very noisy digits", "digits", (16,), LARGE_NOISE),
    Kind("odd or even", "parity", (24, 24)),
    Kind("diabetes", "diabetes", (48,)),
    Kind("spirals", "spirals", (32, 32)),
)


@dataclass(frozen=True)
class Problem:
    """Rows that train and rows that measure, (n, d) float32 and (n,) int64; `layers` are all widths."""

    x: np.ndarray
    y: np.ndarray
    measure_x: np.ndarray
    measure_y: np.ndarray
    layers: tuple[int, ...]


def draw_problem(name: str, kind: Kind, own: str = "") -> Problem:
    """Draw the problem of that name. own: a user's file in place of the kind's source."""
    draw = rng("optimizer", name)
    x, y = user_rows(own) if own else rows_of(kind.source)
    order = draw.permutation(len(x))[:MOST_ROWS]
    x, y = x[order], y[order]
    edge = int(TRAIN_SHARE * len(x))
    mean, spread = x[:edge].mean(0), np.maximum(x[:edge].std(0), 1e-3)
    x = ((x - mean) / spread).clip(-5, 5).astype(np.float32)
    classes = int(y.max()) + 1
    labels = y[:edge].copy()
    wrong = draw.random(edge) < kind.noise
    labels[wrong] = draw.integers(0, classes, int(wrong.sum()))
    layers = (x.shape[1], *kind.hidden, classes)
    return Problem(x[:edge], labels, x[edge:], y[edge:], layers)


def start(layers: tuple[int, ...], draw: np.random.Generator) -> list[np.ndarray]:
    """Draw weights (in, out) and biases (out,) of a net, float32 (He et al. 2015)."""
    found = []
    for before, after in itertools.pairwise(layers):
        weights = draw.standard_normal((before, after)) * np.sqrt(2 / before)
        found += [weights.astype(np.float32), np.zeros(after, np.float32)]
    return found


@cache
def rows_of(source: str) -> tuple[np.ndarray, np.ndarray]:
    """Give features (n, d) and classes (n,) of a source by name."""
    if source == "spirals":
        return _spirals()
    with np.load(DATA / f"{'digits' if source == 'parity' else source}.npz") as arrays:
        if source in ("digits", "parity"):
            labels = arrays["labels"].astype(np.int64)
            return arrays["images"] / 16.0, labels % 2 if source == "parity" else labels
        if source == "diabetes":
            thirds = np.quantile(arrays["target"], (1 / 3, 2 / 3))
            return arrays["features"], np.searchsorted(thirds, arrays["target"])
        return arrays["features"], arrays["labels"].astype(np.int64)


def _spirals() -> tuple[np.ndarray, np.ndarray]:
    """Three arms in a plane, and six columns that say nothing."""
    draw = rng("optimizer", "spirals")
    labels = np.arange(MOST_ROWS) % 3
    radius = draw.uniform(0.1, 1, MOST_ROWS)
    angle = 4 * radius + 2 * np.pi / 3 * labels + draw.normal(0, 0.1, MOST_ROWS)
    plane = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return np.hstack([plane, draw.normal(0, 1, (MOST_ROWS, 6))]), labels
