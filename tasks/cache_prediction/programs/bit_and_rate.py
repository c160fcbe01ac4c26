"""LRU in which a marked key counts as older, by a time that is a share of the capacity.

Source: the discard predictions of Antoniadis et al., "Paging with Succinct Predictions", 2023, arXiv
2210.02775; to add them to an age, instead of following them, is ours: wrong bits cost less.
"""

import numpy as np

OLDER = 1.5  # capacities of requests
PERIOD = 1.0


class Policy:
    def __init__(self, capacity):
        self.older = OLDER * capacity
        self.place, self.keys = {}, []
        self.last, self.marks = np.zeros(capacity), np.zeros(capacity)
        self.now = 0.0

    def hit(self, key, bit):
        self.now += PERIOD
        place = self.place[key]
        self.last[place], self.marks[place] = self.now, bit

    def miss(self, key, full, bit):
        self.now += PERIOD
        victim = None
        if full:
            place = int(np.argmin(self.last - self.older * self.marks))
            victim, self.keys[place] = self.keys[place], key
            del self.place[victim]
        else:
            place = len(self.keys)
            self.keys.append(key)
        self.place[key] = place
        self.last[place], self.marks[place] = self.now, bit
        return victim
