"""Points in the unit square, and the distances between them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from evolve.task import rng

# So many tours make an instance: one start of a process serves them all.
TOURS = 8
# Numpy's legacy seed of the published points, 64 sets of each size.
PUBLISHED_SEED, PUBLISHED_SETS = 1234, 64
# Sizes in the order in which the published points are drawn.
TRAIN_SIZES, VALID_SIZES, TEST_SIZES = (50,), (20, 50, 100, 200), (20, 50, 100, 200)
# Of clustered points: centres, and the standard deviation around one.
CENTRES, WIDTH = 5, 0.07
# Of points of different density: the power to which both coordinates are raised.
SLOPE = 2.0


def points(kind: str, nodes: int, *names: object) -> np.ndarray:
    """Draw the points of an instance, (tours, nodes, 2) in the unit square.

    kind: "uniform"; "clustered", around five centres; "sloping", denser to one corner.
    """
    draw = rng("tsp_constructive", kind, nodes, *names)
    if kind == "clustered":
        centres = draw.random((TOURS, CENTRES, 2))
        which = draw.integers(CENTRES, size=(TOURS, nodes))
        around = centres[np.arange(TOURS)[:, None], which]
        return np.clip(around + WIDTH * draw.standard_normal(around.shape), 0, 1)
    drawn = draw.random((TOURS, nodes, 2))
    return drawn**SLOPE if kind == "sloping" else drawn


def published() -> Iterator[tuple[int, np.ndarray]]:
    """Give (nodes, points (64, nodes, 2)) of the published test, drawn after train and valid."""
    draw = np.random.RandomState(PUBLISHED_SEED)
    for nodes in (*TRAIN_SIZES, *VALID_SIZES):
        draw.rand(PUBLISHED_SETS, nodes, 2)
    for nodes in TEST_SIZES:
        yield nodes, draw.rand(PUBLISHED_SETS, nodes, 2)


def distances(places: np.ndarray) -> np.ndarray:
    """Give Euclidean distances, (tours, nodes, nodes), of points (tours, nodes, 2)."""
    gaps = places[:, :, None] - places[:, None]
    return np.sqrt((gaps**2).sum(-1))
