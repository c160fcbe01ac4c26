"""Builds round trips with a discovered rule.

from found import catalogue  # the exported package
from found.tour import length, tour

select_next_node = next(iter(catalogue().values())).function
order = tour(select_next_node, points)          # points: (n, 2), or any number of coordinates
print(length(order, points))
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def tour(
    select_next_node: Callable[..., int],
    points: np.ndarray | None = None,
    *,
    distances: np.ndarray | None = None,
    start: int = 0,
) -> np.ndarray:
    """Visit every node once and come back to `start`; give the order, (n,) from `start` on.

    points: (n, d), with Euclidean distances; or distances: (n, n) of any kind.
    A rule may depend on scale: it was found on distances in a unit square, so both are shrunk to a
    largest coordinate gap, or distance, of 1 for the rule alone.
    Raises: ValueError for inputs of another shape, or a rule that answers no unvisited node.
    """
    between = _scaled(points, distances)
    unvisited = np.delete(np.arange(len(between)), start)
    order = [start]
    while len(unvisited):
        chosen = int(select_next_node(order[-1], start, unvisited.copy(), between))
        left = unvisited != chosen
        if left.sum() != len(unvisited) - 1:
            raise ValueError(f"the rule answers {chosen}, which is no unvisited node")
        order.append(chosen)
        unvisited = unvisited[left]
    return np.array(order)


def length(
    order: np.ndarray, points: np.ndarray | None = None, *, distances: np.ndarray | None = None
) -> float:
    """Give the length of a round trip, the way home included."""
    after = np.roll(order, -1)
    if points is not None:
        gaps = np.asarray(points, dtype=float)[order] - np.asarray(points, dtype=float)[after]
        return float(np.sqrt((gaps**2).sum(1)).sum())
    if distances is None:
        raise ValueError("give points or distances")
    return float(np.asarray(distances)[order, after].sum())


def _scaled(points: np.ndarray | None, distances: np.ndarray | None) -> np.ndarray:
    if (points is None) == (distances is None):
        raise ValueError("give points or distances, one of them")
    if points is not None:
        places = np.asarray(points, dtype=float)
        if places.ndim != 2:
            raise ValueError(f"points have shape {places.shape}: give (n, coordinates)")
        gaps = places[:, None] - places
        between, size = np.sqrt((gaps**2).sum(-1)), float(np.ptp(places, axis=0).max())
    else:
        between = np.array(distances, dtype=float)
        if between.ndim != 2 or between.shape[0] != between.shape[1]:
            raise ValueError(f"distances have shape {between.shape}: give (n, n)")
        size = float(between.max())
    return between / size if size > 0 else between
