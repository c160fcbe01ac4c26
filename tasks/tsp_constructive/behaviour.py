"""How a rule walks, read off its tours."""

from __future__ import annotations

import numpy as np


def behaviour(distances: np.ndarray, tours: np.ndarray) -> dict[str, float]:
    """Give the measures of tours (tours, steps + 1) through distances (tours, nodes, nodes).

    nearest: share of steps, but the last, that go to a nearest unvisited node.
    outlying: mean percentile, among the unvisited, of the chosen node's mean distance to them; .5
    where all are equally far. home: mean distance to the start at three quarters of the way, as a
    share of the largest (logged only).
    """
    rows = np.arange(len(tours))
    unvisited = np.ones(distances.shape[:2], dtype=bool)
    unvisited[:, 0] = False
    remote = distances[:, :, 1:].sum(2)
    nearest, outlying = [], []
    for step in range(1, min(tours.shape[1], distances.shape[1] - 1)):
        here, there = tours[:, step - 1], tours[:, step]
        steps = np.where(unvisited, distances[rows, here], np.inf)
        nearest.append(steps[rows, there] <= steps.min(1))
        own = remote[rows, there][:, None]
        below = ((remote < own) & unvisited).sum(1)
        equal = ((remote == own) & unvisited).sum(1)
        others = np.maximum(unvisited.sum(1) - 1, 1)
        outlying.append((below + (equal - 1) / 2) / others)
        unvisited[rows, there] = False
        remote -= distances[rows, :, there]
    at = tours[:, 3 * (tours.shape[1] - 1) // 4]
    farthest = np.maximum(distances[:, 0].max(1), np.finfo(float).tiny)
    return {
        "nearest": float(np.mean(nearest)) if nearest else 1.0,
        "outlying": float(np.mean(outlying)) if outlying else 0.5,
        "home": float((distances[rows, 0, at] / farthest).mean()),
    }
