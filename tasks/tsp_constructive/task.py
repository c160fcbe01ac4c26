"""Building a round trip: from the current node, which of the unvisited ones comes next?

An instance is eight sets of points of one kind and size; the score is minus the mean length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from evolve.task import Grade, Instance, Invalid

from .behaviour import behaviour
from .data import TOURS, distances, points
from .data import published as published_points

# Kind, nodes, tours and steps of the probes. The first is a single call, by which operators learn
# types; then whole tours, points on a grid (many ties), three points alone, and all in one place.
FIRST_NODES = 23
GRID, TINY, SAME = 7, 3, 12
# What only `test` asks beside points as in `train`: kind, nodes, and how many instances.
UNSEEN = (
    ("uniform", 20, 4),
    ("uniform", 100, 4),
    ("uniform", 200, 2),
    ("clustered", 50, 6),
    ("sloping", 50, 4),
)
# Published sets of points are graded in parts of this size.
PART = TOURS


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give the instances of a split; `published` gives the published test, grouped by size."""
    if split == "probe":
        yield from _probes(settings)
        return
    if split == "published":
        for nodes, places in published_points():
            for number, start in enumerate(range(0, len(places), PART)):
                part = places[start : start + PART]
                yield instance(f"published-{nodes}-{number}", part, {"protocol": f"n{nodes}"})
        return
    kinds = [("uniform", settings.nodes)] * getattr(settings, f"{split}_instances")
    if split == "test":
        kinds += [(kind, nodes) for kind, nodes, count in UNSEEN for _ in range(count)]
    for number, (kind, nodes) in enumerate(kinds):
        places = points(kind, nodes, split, block, number)
        groups = {"points": f"{kind} {nodes}"}
        yield instance(f"{split}-{block}-{number}", places, groups)


def _probes(settings: Any) -> Iterator[Instance]:
    uniform = points("uniform", FIRST_NODES, "probe")
    yield instance("probe-first-step", uniform[:1], {}, steps=1)
    yield instance("probe-train", points("uniform", settings.nodes, "train", 0, 0)[:2], {})
    yield instance("probe-clustered", points("clustered", 40, "probe")[:1], {})
    grid = np.stack(np.meshgrid(*[np.arange(GRID) / GRID] * 2), -1).reshape(1, -1, 2)
    yield instance("probe-grid", grid, {})
    yield instance("probe-tiny", uniform[:2, :TINY], {})
    yield instance("probe-same-place", np.full((1, SAME, 2), 0.5), {})
    yield instance("probe-large", 1000 * uniform[1:2], {})
    yield instance("probe-small", 0.001 * uniform[2:3], {})


def instance(
    name: str, places: np.ndarray, groups: dict[str, str], steps: int | None = None
) -> Instance:
    """Give the instance of some sets of points, (tours, nodes, 2). steps: all unless told."""
    nodes = places.shape[1]
    return Instance(
        name=name,
        public={
            "distances": distances(places),
            "unvisited": np.arange(1, nodes),
            "steps": nodes - 1 if steps is None else steps,
        },
        groups=groups,
    )


def grade(instance: Instance, output: Any) -> Grade:
    """Measure the tours of one instance. Score: minus their mean length. Raises: Invalid."""
    tours = checked(instance, output)
    between = instance.public["distances"]
    rows = np.arange(len(tours))[:, None]
    steps = between[rows, tours, np.roll(tours, -1, axis=1)]
    lengths = steps.sum(1)
    return Grade(
        score=-float(lengths.mean()),
        measures=behaviour(between, tours),
        feedback=(
            f"mean length {lengths.mean():.4f}; the last step home takes "
            f"{steps[:, -1].mean():.3f}, others {steps[:, :-1].mean():.3f} on average"
        ),
    )


def published(instances: Sequence[Instance], grades: Sequence[Grade]) -> float:
    """Give the published number of a size: the mean tour length, lower is better."""
    return -float(np.mean([grade.score for grade in grades]))


def checked(instance: Instance, output: Any) -> np.ndarray:
    """Give tours, (tours, steps + 1) int64, each from node 0 to different nodes. Raises: Invalid."""
    between, steps = instance.public["distances"], instance.public["steps"]
    shape = len(between), steps + 1
    try:
        tours = np.asarray(output)
    except ValueError as error:
        raise Invalid(f"{instance.name}: no tours: {error}") from error
    if tours.shape != shape or tours.dtype.kind not in "iu":
        raise Invalid(
            f"{instance.name}: {tours.dtype} of shape {tours.shape}: "
            f"give whole numbers of shape {shape}"
        )
    tours = tours.astype(np.int64)
    ordered = np.sort(tours, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]).any()
    if ordered[:, 0].min() < 0 or ordered[:, -1].max() >= between.shape[1] or twice:
        raise Invalid(f"{instance.name}: a tour visits every node once, from 0 on")
    if tours[:, 0].any():
        raise Invalid(f"{instance.name}: a tour starts at node 0")
    return tours
