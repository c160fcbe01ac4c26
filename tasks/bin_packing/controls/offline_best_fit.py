"""Upper reference: best fit decreasing, which knows all items beforehand and sorts them."""

import numpy as np


def score(sizes, bins, private):
    capacity = int(bins[-1])
    used = [packed(np.sort(items)[::-1], capacity) for items in private["items"]]
    return {"items": private["items"], "used": np.array(used)}


def packed(items, capacity):
    """Count the bins: how many have each residual capacity is all that best fit looks at."""
    counts = np.zeros(capacity + 1, dtype=int)
    used = 0
    for item in items.tolist():
        level = item + int((counts[item:] > 0).argmax())
        if counts[level]:
            counts[level] -= 1
        else:
            level, used = capacity, used + 1
        counts[level - item] += 1
    return used
