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
    """Count the bins. All empty ones but the first score 0, so that two of them stand for all."""
    residual = np.full(len(items) + 1, float(capacity))
    used, smallest = 0, items.min()
    open_bins = np.empty(0, dtype=int)
    for item in items.astype(float):
        room = open_bins[residual[open_bins] >= item]
        room = np.concatenate([room, [used, used + 1]])
        chosen = room[np.argmax(liked(item, residual[room], capacity))]
        if chosen == used + 1:  # an empty bin like the one before it
            chosen = used
        if chosen == used:
            open_bins, used = np.append(open_bins, used), used + 1
        residual[chosen] -= item
        if residual[chosen] < smallest:
            open_bins = open_bins[open_bins != chosen]
    return used


def liked(item, bins, capacity):
    scores = (bins - capacity) ** 2 / item + bins**2 / item**2 + bins**2 / item**3
    scores[bins > item] = -scores[bins > item]
    scores[1:] -= scores[:-1].copy()
    return scores
