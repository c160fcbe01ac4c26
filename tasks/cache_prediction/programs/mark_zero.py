"""MARK0: marking in phases, in which what is said to go is never marked, and goes first.

Source: Antoniadis et al., "Paging with Succinct Predictions", 2023, arXiv 2210.02775, its algorithm for
discard predictions. Ours draws from a generator that always starts alike, so that it repeats itself.
"""

import numpy as np


class Policy:
    def __init__(self, capacity):
        self.discard, self.old, self.fresh = [], [], []
        self.draw = np.random.default_rng(1)

    def hit(self, key, bit):
        for part in (self.discard, self.old, self.fresh):
            if key in part:
                part.remove(key)
        self.put(key, bit)

    def miss(self, key, full, bit):
        victim = None
        if full:
            if not self.discard and not self.old:  # a phase ends: all marks go
                self.old, self.fresh = self.fresh, []
            among = self.discard or self.old
            victim = among.pop(int(self.draw.integers(len(among))))
        self.put(key, bit)
        return victim

    def put(self, key, bit):
        (self.discard if bit else self.fresh).append(key)
