"""Packs sequences of items by tables of preferences: what real calls would do, much faster.

A rule that scores each bin by item and residual capacity alone is a table ranks[item, residual].
Bins with equal room have equal ranks, and among equal ranks the bin that was opened first wins.
There are as many bins as items from the start, so that an empty one is always among those asked.
All sequences go on together, item by item; a level is a residual capacity of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# A rank is worth more than any number of bins: keys rank << SHIFT | (how early it was opened).
SHIFT = 16


def bins_used(tables: Sequence[np.ndarray], items: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Count the bins that tables use for their sequences.

    tables: (capacity + 1, capacity + 1) int16 each, all of one capacity: ranks[item, residual], 0
        where there is no room. items: (sequences, length) each, all of one length below 2**16.
    """
    used = [np.empty(0, dtype=np.int64)] * len(tables)
    tied = [has_ties(table) for table in tables]
    for pack, wanted in ((_by_counts, False), (_by_order, True)):
        members = [at for at, ties in enumerate(tied) if ties == wanted]
        if members:
            bench = _bench([tables[at] for at in members], [items[at] for at in members])
            ends = np.cumsum([len(items[at]) for at in members])[:-1]
            for at, counts in zip(members, np.split(pack(bench), ends), strict=True):
                used[at] = counts
    return used


def has_ties(table: np.ndarray) -> bool:
    """Tell whether an item likes two different residual capacities equally."""
    ranks = np.sort(table, axis=1)
    return bool(((ranks[:, 1:] == ranks[:, :-1]) & (ranks[:, 1:] > 0)).any())


class _Bench(NamedTuple):
    """Sequences side by side.

    ranks: (tables x items, levels). rows, sizes: (length, sequences), the row of ranks and the size
    of every item. first: (sequences,), the flat number of each one's level 0.
    """

    ranks: np.ndarray
    rows: np.ndarray
    sizes: np.ndarray
    first: np.ndarray

    @property
    def levels(self) -> int:
        return self.ranks.shape[1]


def _bench(tables: Sequence[np.ndarray], items: Sequence[np.ndarray]) -> _Bench:
    levels, sequences = tables[0].shape[1], np.concatenate(items)
    table_of = np.repeat(np.arange(len(tables)), [len(each) for each in items])
    rows = table_of[:, None] * levels + sequences
    return _Bench(
        ranks=np.concatenate(tables),
        rows=np.ascontiguousarray(rows.T),
        sizes=np.ascontiguousarray(sequences.T),
        first=np.arange(len(sequences)) * levels,
    )


def _by_counts(bench: _Bench) -> np.ndarray:
    """Pack where no two levels are liked equally: only how many bins have a level matters."""
    length, count = bench.sizes.shape
    counts = np.zeros(count * bench.levels, dtype=np.int64)
    empty = bench.first + bench.levels - 1
    counts[empty] = length
    # All bits set where a bin of that level is there, so that `&` hides the ranks of others.
    there = np.where(counts > 0, -1, 0).astype(np.int16)
    there_by_sequence = there.reshape(count, bench.levels)
    liked = np.empty((count, bench.levels), dtype=np.int16)
    for row, size in zip(bench.rows, bench.sizes, strict=True):
        np.take(bench.ranks, row, axis=0, out=liked)
        np.bitwise_and(liked, there_by_sequence, out=liked)
        taken = bench.first + liked.argmax(1)
        left = taken - size
        counts[taken] -= 1
        there[taken[counts[taken] == 0]] = 0
        counts[left] += 1
        there[left] = -1
    return length - counts[empty]


def _by_order(bench: _Bench) -> np.ndarray:
    """Pack where levels may be liked equally: then the bin that was opened first counts."""
    length, count = bench.sizes.shape
    everyone = np.arange(count)
    keys = bench.ranks.astype(np.int32) << SHIFT
    capacity = bench.levels - 1
    narrow = np.uint8 if capacity < 256 else np.int16  # much of the time goes into comparing these
    residual = np.full((count, length), capacity, dtype=narrow)
    # The earliest bin of each level; of the empty ones, which are all behind the others, the next.
    earliest = np.zeros(count * bench.levels, dtype=np.int32)
    counts = np.zeros(count * bench.levels, dtype=np.int64)
    counts[bench.first + capacity] = length
    there = np.where(counts > 0, -1, 0).astype(np.int32)
    liked = np.empty((count, bench.levels), dtype=np.int32)
    earliest_by_sequence = earliest.reshape(liked.shape)
    there_by_sequence = there.reshape(liked.shape)
    for row, size in zip(bench.rows, bench.sizes, strict=True):
        np.take(keys, row, axis=0, out=liked)
        liked -= earliest_by_sequence
        liked &= there_by_sequence
        level = liked.argmax(1)
        taken = bench.first + level
        left = taken - size
        bin_number = earliest[taken]
        residual[everyone, bin_number] = level - size
        counts[taken] -= 1
        there[taken[counts[taken] == 0]] = 0
        opened = int((length - counts[bench.first + capacity]).max())
        # Past the opened bins stand empty ones, so that an empty level finds the next of them.
        earliest[taken] = (residual[:, : opened + 1] == level[:, None].astype(narrow)).argmax(1)
        earliest[left] = np.where(
            counts[left] > 0, np.minimum(earliest[left], bin_number), bin_number
        )
        counts[left] += 1
        there[left] = -1
    return length - counts[bench.first + capacity]
