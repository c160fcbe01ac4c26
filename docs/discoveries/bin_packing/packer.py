"""Packs a stream of items by a discovered rule, one `place(item)` at a time.

from found import catalogue  # the exported package
from found.packer import Packer

score = next(iter(catalogue().values())).function
packer = Packer(score, capacity=100)
number = packer.place(37)       # of the bin, from 0; a new bin has the next number
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

# Rules were found with so many sizes; a table has levels squared entries.
FEWEST_LEVELS, MOST_LEVELS = 100, 1000


class Packer:
    """An online packer that does what the graded table did.

    score: (item, bins) -> one number per residual capacity; called once per item size.
    capacity: of every bin, in any unit. levels: sizes are rounded up to capacity / levels, so that
        no bin is ever overfull; a positive whole number. Rules were found with 100. Unless told, 100, or
        the capacity itself if that is a whole number from 100 to 1,000: whole sizes lose nothing then.
    loads: what the items in each bin add up to, as they were given.
    """

    def __init__(
        self,
        score: Callable[[Any, np.ndarray], Any],
        capacity: float = 100,
        levels: int | None = None,
    ) -> None:
        if not 0 < capacity < math.inf:
            raise ValueError(f"capacity is {capacity}: give a positive number")
        whole = float(capacity).is_integer() and FEWEST_LEVELS <= capacity <= MOST_LEVELS
        self.capacity, self.levels = capacity, levels or (int(capacity) if whole else FEWEST_LEVELS)
        self.loads: list[float] = []
        self._score = score
        self._liked: dict[int, np.ndarray] = {}
        self._residual: list[int] = []

    def place(self, item: float) -> int:
        """Put an item into a bin and give the bin's number.

        Raises: ValueError if the item is not above 0, or fits into no bin.
        """
        if not 0 < item <= self.capacity:
            raise ValueError(f"the item is {item}: give a size above 0 and up to {self.capacity}")
        # A hair's breadth of rounding must not cost a level.
        size = max(1, math.ceil(item * self.levels / self.capacity - 1e-9))
        liked = self._liked_by(size)
        best, number = liked[self.levels], len(self._residual)
        # From the last to the first, so that of equal scores the earliest bin has it.
        for at in range(len(self._residual) - 1, -1, -1):
            left = self._residual[at]
            if left >= size and liked[left] >= best:
                best, number = liked[left], at
        if number == len(self._residual):
            self._residual.append(self.levels)
            self.loads.append(0.0)
        self._residual[number] -= size
        self.loads[number] += item
        return number

    def _liked_by(self, size: int) -> np.ndarray:
        """Give the scores of all residual capacities, by the capacity itself; asked for once."""
        if size not in self._liked:
            bins = np.arange(size, self.levels + 1, dtype=np.float64)
            scores = np.full(self.levels + 1, -np.inf)
            scores[size:] = np.asarray(self._score(np.float64(size), bins), dtype=np.float64)
            if np.isnan(scores).any():
                raise ValueError(f"the rule gives no number for an item of {size} levels")
            self._liked[size] = scores
        return self._liked[size]
