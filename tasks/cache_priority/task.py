"""The caches of cache_eviction for programs that give every key a priority: the lowest has to go.

The first probe makes one single call, and shows what a program is called with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from evolve.task import Instance, rng

from .base.task import feed, grade
from .base.task import instances as base_instances

__all__ = ["feed", "grade", "instances"]

SLOTS = 13  # of the first probe: unlike any other number that a program meets there
FIRST_REQUESTS = 40


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give the instances of cache_eviction, and before its probes one of a single call."""
    if split != "probe":
        yield from base_instances(split, settings, block)
        return
    for instance in (_single(), *base_instances(split, settings, block)):
        size = instance.public["capacities"][0]
        # What a program is called with, as far as operators must know it: the length of its arrays.
        shown = {"age": np.zeros(size), "capacity": size}
        yield replace(instance, public={**instance.public, "cache": shown})


def _single() -> Instance:
    """Give a cache that is filled, asked for what it holds, and misses once when it is full."""
    draw = rng("cache_priority", "single")
    keys = draw.permutation(1000)[: SLOTS + 1]
    hits = draw.choice(keys[:SLOTS], FIRST_REQUESTS)
    trace = np.concatenate([keys[:SLOTS], hits, keys[SLOTS:]])
    public = {"capacities": [SLOTS], "prediction": False}
    private = {"traces": [trace], "bits": [], "fifo": [SLOTS + 1]}
    return Instance("probe-single", public, private)
