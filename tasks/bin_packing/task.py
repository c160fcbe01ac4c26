"""Online bin packing: into which open bin does the next item go?

A rule is asked once about every item size and all residual capacities. The table of its answers
is played here, outside the wall, so no program ever sees an item that is to be packed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from typing import Any

import numpy as np

from evolve.task import Grade, Instance, Invalid

from .behaviour import behaviour
from .data import PUBLISHED, UNSEEN, UNSEEN_INSTANCES, lower_bound, sequences
from .data import published as published_sequences
from .own import read
from .play import bins_used

# Capacity and item sizes of the probes: the first is one call, by which operators learn types; the
# second is all that `train` asks for; the others are tiny, large, and of other scales.
PROBES = (
    (100, (39,)),
    (100, range(1, 101)),
    (1, (1,)),
    (7, range(1, 8)),
    (150, range(1, 151, 7)),
    (1000, (1, 10, 333, 500, 999, 1000)),
)


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give the instances of a split; each is five sequences and what is asked of a rule.

    `published` gives the sequences of published numbers, grouped by protocol.
    """
    own = read(settings.data.path) if settings.data.path else None
    if split == "probe":
        for number, (capacity, sizes) in enumerate(PROBES):
            yield Instance(f"probe-{number}", public=asked(np.array(sizes), capacity))
        if own is not None:
            yield Instance("probe-own", public=asked(own.sizes, own.capacity))
        return
    if split == "published":
        for protocol, items in published_sequences():
            groups = {"protocol": protocol}
            yield instance(f"published-{protocol}", items, PUBLISHED.capacity, groups)
        return
    count = getattr(settings, f"{split}_instances")
    if own is not None:
        for number in range(count):
            items = own.windows(split, settings.data.length, block, number)
            name = f"{split}-{block}-{number}"
            yield instance(name, items, own.capacity, {"kind": "own"}, own.sizes)
        return
    kinds = [PUBLISHED] * count
    if split == "test":
        kinds += [kind for kind in UNSEEN for _ in range(UNSEEN_INSTANCES)]
    for number, kind in enumerate(kinds):
        items = sequences(kind, split, block, number)
        name = f"{split}-{block}-{number}"
        yield instance(name, items, kind.capacity, {"kind": kind.name})


def instance(
    name: str,
    items: np.ndarray,
    capacity: int,
    groups: dict[str, str],
    sizes: np.ndarray | None = None,
) -> Instance:
    """Give the instance of some sequences, (sequences, length) whole numbers.

    sizes: that items can have; all up to the capacity unless told.
    """
    sizes = np.arange(1, capacity + 1) if sizes is None else sizes
    return Instance(
        name=name,
        public=asked(sizes, capacity),
        private={
            "items": items,
            "bound": float(lower_bound(items, capacity).mean()),
        },
        groups=groups,
    )


def asked(sizes: np.ndarray, capacity: int) -> dict[str, np.ndarray]:
    """Give what the harness asks a rule about; it tells nothing of the items to come."""
    return {
        "sizes": sizes.astype(np.float64),
        "bins": np.arange(1, capacity + 1, dtype=np.float64),
    }


def grade(instance: Instance, output: Any) -> Grade:
    """Pack the sequences of one instance by a table of preferences. Raises: Invalid."""
    return grade_many([instance], [output])[0]


def grade_many(instances: Sequence[Instance], outputs: Sequence[Any]) -> list[Grade]:
    """Pack by many tables, instances of one capacity and length together.

    Score: minus the excess over the lower bound in per cent, of the mean over sequences.
    Raises: Invalid for the first output that is no table.
    """
    counted = [_counted(*pair) for pair in zip(instances, outputs, strict=True)]
    tables = [
        checked(each, output) if known is None else best_fit(each)
        for each, output, known in zip(instances, outputs, counted, strict=True)
    ]
    used = {at: known for at, known in enumerate(counted) if known is not None}
    for members in _alike(instances, without=used):
        counts = bins_used(
            [_indexed(instances[at], tables[at]) for at in members],
            [instances[at].private["items"] for at in members],
        )
        used |= dict(zip(members, counts, strict=True))
    return [
        _graded(each, table, used[at])
        for at, (each, table) in enumerate(zip(instances, tables, strict=True))
    ]


def published(instances: Sequence[Instance], grades: Sequence[Grade]) -> float:
    """Give the published number of a protocol: the excess in per cent, lower is better."""
    return -float(np.mean([grade.score for grade in grades]))


def checked(instance: Instance, output: Any) -> np.ndarray:
    """Give a table of ranks, (sizes, capacity) int16. Raises: Invalid."""
    sizes, bins = instance.public["sizes"], instance.public["bins"]
    shape = len(sizes), len(bins)
    try:
        table = np.asarray(output)
    except ValueError as error:
        raise Invalid(f"{instance.name}: no table: {error}") from error
    if table.shape != shape or table.dtype.kind not in "iu":
        raise Invalid(
            f"{instance.name}: {table.dtype} of shape {table.shape}: "
            f"give a table of whole numbers of shape {shape}"
        )
    room = bins >= sizes[:, None]
    if table.min() < 0 or table.max() > len(bins) or not np.array_equal(table > 0, room):
        raise Invalid(f"{instance.name}: give ranks from 1 where a bin has room, else 0")
    return table.astype(np.int16)


def best_fit(instance: Instance) -> np.ndarray:
    """Give the table of best fit, whose measures those have that count for themselves."""
    sizes, bins = instance.public["sizes"], instance.public["bins"]
    return np.where(bins >= sizes[:, None], 1 + bins[-1] - bins, 0).astype(np.int16)


def _counted(instance: Instance, output: Any) -> np.ndarray | None:
    """Give the bins (sequences,) that a control counted by itself, or None.

    Only a control can show the very items of an instance: no program ever sees them.
    """
    if isinstance(output, dict) and output.get("items") is instance.private["items"]:
        return np.asarray(output["used"])
    return None


def _alike(instances: Sequence[Instance], without: Container[int]) -> list[list[int]]:
    """Give the numbers of instances that can be packed together."""
    groups = defaultdict(list)
    for at, each in enumerate(instances):
        if at not in without:
            groups[len(each.public["bins"]), each.private["items"].shape[1]].append(at)
    return list(groups.values())


def _indexed(instance: Instance, table: np.ndarray) -> np.ndarray:
    """Give ranks by item size and residual capacity themselves, from 0 on."""
    levels = table.shape[1] + 1
    ranks = np.zeros((levels, levels), dtype=np.int16)
    ranks[instance.public["sizes"].astype(int), 1:] = table
    return ranks


def _graded(instance: Instance, table: np.ndarray, used: np.ndarray) -> Grade:
    bound = instance.private["bound"]
    excess = 100 * (float(used.mean()) - bound) / bound
    return Grade(
        score=-excess,
        measures=behaviour(table),
        feedback=f"{used.mean():.1f} bins where {bound:.1f} would be full: {excess:.3f} % more",
    )
