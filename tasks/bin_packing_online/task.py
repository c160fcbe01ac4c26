"""Online bin packing with real calls: a rule sees the bins that are there, for every item anew.

An instance is one sequence. `feed` hands over item after item, so the future stays hidden.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evolve.task import Grade, Instance, Invalid

from .base.data import PUBLISHED, UNSEEN, lower_bound, sequences
from .base.data import published as published_sequences
from .base.own import read

# The first probe is a single call, by which operators learn types: an item, and its bins with room,
# among them ones that it fills or leaves next to nothing in.
FIRST_ITEM, FIRST_BINS = 23, (50.0, 23.0, 77.0, 24.0, 31.0, 46.0, 99.0, 100.0, 100.0)
# Items, capacity and where they are drawn for the probes; the last is a slice of train's.
PROBES = (("tiny", 7, 12), ("wide", 1000, 80), ("ones", 5, 12))
SLICE = 150
# What an item leaves is next to nothing up to this share of the capacity.
FULL = 0.02


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give the instances of a split; `published` those of published numbers, by protocol."""
    if split == "probe":
        yield from _probes()
        return
    if split == "published":
        for protocol, items in published_sequences():
            for number, sequence in enumerate(items):
                name = f"published-{protocol}-{number}"
                yield instance(name, sequence, PUBLISHED.capacity, {"protocol": protocol})
        return
    count = getattr(settings, f"{split}_instances")
    if settings.data.path:
        own = read(settings.data.path)
        for number in range(count):
            items = own.windows(split, settings.data.length, block, number)[0]
            yield instance(f"{split}-{block}-{number}", items, own.capacity, {"kind": "own"})
        return
    kinds = [PUBLISHED] * count + (list(UNSEEN) if split == "test" else [])
    for number, kind in enumerate(kinds):
        items = sequences(kind, "online", split, block, number)[0]
        name = f"{split}-{block}-{number}"
        yield instance(name, items, kind.capacity, {"kind": kind.name})


def _probes() -> Iterator[Instance]:
    single = instance("probe-first-call", np.array([FIRST_ITEM]), PUBLISHED.capacity, {})
    yield replace(single, private={**single.private, "bins": np.array(FIRST_BINS)})
    first = sequences(PUBLISHED, "online", "train", 0, 0)[0]
    yield instance("probe-train", first[:SLICE], PUBLISHED.capacity, {})
    for name, capacity, length in PROBES:
        spread = 1 if name == "ones" else capacity
        items = 1 + first[:length] * 7919 % spread
        yield instance(f"probe-{name}", items, capacity, {})


def instance(name: str, items: np.ndarray, capacity: int, groups: dict[str, str]) -> Instance:
    """Give the instance of one sequence, (length,) whole numbers."""
    bound = float(lower_bound(items[None], capacity)[0])
    return Instance(
        name=name,
        public={"capacity": capacity},
        private={"items": items, "bound": bound},
        groups=groups,
    )


def feed(instance: Instance) -> Generator[dict[str, Any], Any, np.ndarray]:
    """Ask for the priorities of the bins with room, item by item; give each item's bin, (length,).

    As many bins as items exist from the start. Of the empty ones behind the last in use, two are
    shown: those behind have the same neighbours, so that they could only win by a later index.
    The first probe has one item, and bins of its own.
    Raises: Invalid for an answer that is no number per bin.
    """
    items, capacity = instance.private["items"], instance.public["capacity"]
    if "bins" in instance.private:
        answer = yield {"item": float(items[0]), "bins": instance.private["bins"]}
        return np.array([_best(answer, len(instance.private["bins"]), items[0])])
    residual = np.full(2 * len(items) + 2, float(capacity))
    smallest, behind = items.min(), 0
    open_bins = np.empty(0, dtype=np.int64)
    placed = np.empty(len(items), dtype=np.int64)
    for at, item in enumerate(items.tolist()):
        room = np.concatenate([open_bins[residual[open_bins] >= item], [behind, behind + 1]])
        answer = yield {"item": float(item), "bins": residual[room]}
        chosen = int(room[_best(answer, len(room), item)])
        if chosen >= behind:
            open_bins = np.concatenate([open_bins, np.arange(behind, chosen + 1)])
            behind = chosen + 1
        residual[chosen] -= item
        if residual[chosen] < smallest:
            open_bins = open_bins[open_bins != chosen]
        placed[at] = chosen
    return placed


def _best(answer: Any, count: int, item: int) -> int:
    """Give the place of the highest priority, the first among equal ones. Raises: Invalid."""
    try:
        scores = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise Invalid(f"for an item of size {item}: no numbers: {error}") from error
    if scores.shape != (count,):
        raise Invalid(
            f"for an item of size {item}, the priorities have shape {scores.shape} and the bins "
            f"({count},): give one per bin"
        )
    if np.isnan(scores).any():
        raise Invalid(f"for an item of size {item}, a priority is not a number")
    return int(scores.argmax())


def grade(instance: Instance, output: Any) -> Grade:
    """Count the bins. Score: minus the excess over the lower bound in per cent. Raises: Invalid."""
    items, capacity = instance.private["items"], instance.public["capacity"]
    placed = np.asarray(output)
    if placed.shape != items.shape or placed.dtype.kind not in "iu" or placed.min() < 0:
        raise Invalid(f"{instance.name}: {placed.dtype} of shape {placed.shape} is no packing")
    loads = np.bincount(placed, weights=items)
    if loads.max() > capacity:
        raise Invalid(f"{instance.name}: bin {loads.argmax()} holds {loads.max():g}")
    used, bound = int((loads > 0).sum()), instance.private["bound"]
    excess = 100 * (used - bound) / bound
    return Grade(
        score=-excess,
        measures={**behaviour(items, placed, capacity), "used": used, "bound": bound},
        feedback=f"{used} bins where {bound:.0f} would be full: {excess:.3f} % more",
    )


def published(instances: Sequence[Instance], grades: Sequence[Grade]) -> float:
    """Give the published number of a protocol: the excess of the mean, in per cent."""
    used = np.mean([grade.measures["used"] for grade in grades])
    bound = np.mean([grade.measures["bound"] for grade in grades])
    return float(100 * (used - bound) / bound)


def behaviour(items: np.ndarray, placed: np.ndarray, capacity: int) -> dict[str, float]:
    """Give the measures of a packing: how often a bin is opened in vain, and how often filled."""
    residual = np.full(int(placed.max()) + 1, float(capacity))
    started = np.zeros(len(residual), dtype=bool)
    opens = fills = 0
    for item, number in zip(items.tolist(), placed.tolist(), strict=True):
        if not started[number]:
            opens += bool((residual[started] >= item).any())
            started[number] = True
        residual[number] -= item
        fills += residual[number] <= FULL * capacity
    return {"opens": opens / len(items), "fills": fills / len(items)}
