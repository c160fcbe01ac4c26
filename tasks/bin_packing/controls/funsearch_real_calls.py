"""Reference: FunSearch's rule for the Weibull instances as published, called for every item.

It lessens the score of each bin by that of the bin before, in the order of opening, so it is no table
of item and residual capacity, and no program here can be it.

Source: Romera-Paredes et al., "Mathematical discoveries from program search with large language
models", 2024, and the code published with it.
"""

import numpy as np


def score(sizes, bins, private):
    used = [packed(items, int(bins[-1])) for items in private["items"]]
    return {"items": private["items"], "used": np.array(used)}


def packed(items, capacity):
    """Count the bins. Of the empty ones behind the last in use, the first two stand for all: the
    others score 0, as the second does."""
    residual = np.full(2 * len(items) + 2, float(capacity))
    smallest, behind = items.min(), 0
    open_bins = np.empty(0, dtype=int)
    for item in items.astype(float):
        room = open_bins[residual[open_bins] >= item]
        room = np.concatenate([room, [behind, behind + 1]])
        chosen = room[np.argmax(liked(item, residual[room], capacity))]
        if chosen >= behind:  # it may be the second: the one before it stays empty and is scored
            open_bins = np.append(open_bins, np.arange(behind, chosen + 1))
            behind = chosen + 1
        residual[chosen] -= item
        if residual[chosen] < smallest:
            open_bins = open_bins[open_bins != chosen]
    return int((residual < capacity).sum())


def liked(item, bins, capacity):
    scores = (bins - capacity) ** 2 / item + bins**2 / item**2 + bins**2 / item**3
    scores[bins > item] = -scores[bins > item]
    scores[1:] -= scores[:-1].copy()
    return scores
