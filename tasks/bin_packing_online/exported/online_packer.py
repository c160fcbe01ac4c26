"""Packs a stream of items by a discovered rule that looks at the bins that are there.

from found import catalogue  # the exported package
from found.online_packer import OnlinePacker

priority = next(iter(catalogue().values())).function
packer = OnlinePacker(priority, capacity=100)
number = packer.place(37)       # of the bin, from 0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class OnlinePacker:
    """An online packer that calls a rule for every item, as it was graded.

    priority: (capacity, item, bins) -> one number per bin with room, the two next empty ones
        included. capacity: of every bin; rules were found with 100 and whole sizes.
    loads: what is in each bin. A rule may skip an empty bin, whose load is then 0.
    """

    def __init__(self, priority: Callable[..., Any], capacity: int = 100) -> None:
        if capacity <= 0:
            raise ValueError(f"capacity is {capacity}: give a positive number")
        self.capacity = capacity
        self.loads: list[float] = []
        self._priority = priority

    def place(self, item: float) -> int:
        """Put an item into a bin and give the bin's number. Raises: ValueError."""
        if not 0 < item <= self.capacity:
            raise ValueError(f"the item is {item}: give a size above 0 and up to {self.capacity}")
        residual = self.capacity - np.array([*self.loads, 0.0, 0.0])
        room = np.flatnonzero(residual >= item)
        scores = np.asarray(
            self._priority(capacity=self.capacity, item=float(item), bins=residual[room])
        )
        if scores.shape != room.shape or np.isnan(scores).any():
            raise ValueError(f"the rule gives no number per bin for an item of size {item}")
        number = int(room[scores.argmax()])
        self.loads += [0.0] * (number + 1 - len(self.loads))
        self.loads[number] += item
        return number
