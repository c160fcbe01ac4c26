"""Asks a rule about every item size once, and gives the table of its preferences."""

import numpy as np


def call(candidate, public, rng):
    """Give ranks (sizes, capacity), the higher the rather; 0 where a bin has no room.

    public: `sizes`, the item sizes; `bins`, residual capacities from 1 to that of an empty bin.
    Column j stands for a bin with bins[j] left. No item that is to be packed is in this process.
    Every size but the last is asked for again, backwards: what differs then depends on more than
    item and bins. So a single size is asked for in one call, by which operators learn types.
    """
    sizes, bins = public["sizes"], public["bins"]
    table = np.zeros((len(sizes), len(bins)), dtype=np.int16)
    for row in range(len(sizes)):
        table[row] = preferences(candidate, sizes[row], bins)
    for row in reversed(range(len(sizes) - 1)):
        if not np.array_equal(table[row], preferences(candidate, sizes[row], bins)):
            raise ValueError(
                f"for an item of size {sizes[row]:g}, the scores differ when asked for again: "
                "they must follow from item and bins alone"
            )
    return table


def preferences(candidate, size, bins):
    """Give dense ranks from 1 for the bins that have room, in ascending order of residual capacity.

    Raises: ValueError for scores that are no finite or infinite number per bin.
    """
    room = bins >= size
    scores = np.asarray(candidate(np.float64(size), bins[room]), dtype=np.float64)
    if scores.shape != (room.sum(),):
        raise ValueError(
            f"for an item of size {size:g}, the scores have shape {scores.shape} and the bins "
            f"({room.sum()},): give one score per bin"
        )
    if np.isnan(scores).any():
        at = bins[room][np.isnan(scores)][0]
        raise ValueError(
            f"for an item of size {size:g}, the score of a bin with {at:g} left is not a number"
        )
    row = np.zeros(len(bins), dtype=np.int16)
    row[room] = np.unique(scores, return_inverse=True)[1] + 1
    return row
