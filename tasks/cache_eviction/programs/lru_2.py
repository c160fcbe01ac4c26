"""LRU-2: the key whose last but one request lies back the longest has to go.

Source: O'Neil, O'Neil, Weikum, "The LRU-K Page Replacement Algorithm for Database Disk Buffering", 1993.
What left the cache is remembered for MEMORY capacities of requests; no correlated references.
"""

import numpy as np

MEMORY = 4.0
NEVER = -1e9


class Policy:
    def __init__(self, capacity):
        self.keep = MEMORY * capacity
        self.place, self.keys = {}, []
        self.last, self.before = np.zeros(capacity), np.full(capacity, NEVER)
        self.gone = {}  # key -> its last request, in the order of leaving
        self.now = 0

    def hit(self, key):
        self.now += 1
        place = self.place[key]
        self.before[place], self.last[place] = self.last[place], self.now

    def miss(self, key, full):
        self.now += 1
        victim = None
        if full:
            place = int(np.argmin(order(self.last, self.before)))
            victim, self.keys[place] = self.keys[place], key
            del self.place[victim]
            self.remember(victim, self.last[place])
        else:
            place = len(self.keys)
            self.keys.append(key)
        self.place[key] = place
        self.before[place], self.last[place] = self.gone.pop(key, NEVER), self.now
        return victim

    def remember(self, key, last):
        self.gone[key] = last
        if len(self.gone) > self.keep:
            del self.gone[next(iter(self.gone))]


def order(last, before):
    """The last but one request first; the last one among those that had only one."""
    return before + 1e-6 * last
