"""Hyperbolic caching: requests per time in the cache; the smallest rate has to go.

Source: Blankstein, Sen, Freedman, "Hyperbolic Caching: Flexible Caching for Web Applications", 2017.
Ours looks at all keys where the paper draws 64, and has exponents, which are one in the paper.
"""

import numpy as np

COUNT, AGE = 1.0, 1.0
FIRST = 1.0  # requests that a new key is believed to have had


class Policy:
    def __init__(self, capacity):
        self.place = {}
        self.keys = []
        self.counts, self.since = np.ones(capacity), np.zeros(capacity)
        self.now = 0

    def hit(self, key):
        self.now += 1
        self.counts[self.place[key]] += 1

    def miss(self, key, full):
        self.now += 1
        victim = None
        if full:
            place = int(np.argmin(rate(self.counts, self.now - self.since)))
            victim, self.keys[place] = self.keys[place], key
            del self.place[victim]
        else:
            place = len(self.keys)
            self.keys.append(key)
        self.place[key] = place
        self.counts[place], self.since[place] = FIRST, self.now
        return victim


def rate(counts, ages):
    return counts**COUNT / ages**AGE
