"""Like LIRS: the key with the longest time between its last two requests has to go.

Source: Jiang, Zhang, "LIRS: An Efficient Low Inter-reference Recency Set Replacement Policy to Improve
Buffer Cache Performance", 2002. Ours keeps a table of times in place of its stack and queue, and
leaves a key alone until AT_LEAST of the capacity was asked for after it.
"""

import numpy as np

AT_LEAST = 0.05
MEMORY = 3.0  # capacities of keys that are remembered after they left
NEVER = 1e9


class Policy:
    def __init__(self, capacity):
        self.young, self.keep = AT_LEAST * capacity, MEMORY * capacity
        self.place, self.keys = {}, []
        self.last, self.gap = np.zeros(capacity), np.full(capacity, NEVER)
        self.gone = {}  # key -> its last request, in the order of leaving
        self.now = 0

    def hit(self, key):
        self.now += 1
        place = self.place[key]
        self.gap[place], self.last[place] = self.now - self.last[place], self.now

    def miss(self, key, full):
        self.now += 1
        victim = None
        if full:
            place = int(np.argmax(distance(self.now - self.last, self.gap, self.young)))
            victim, self.keys[place] = self.keys[place], key
            del self.place[victim]
            self.remember(victim, self.last[place])
        else:
            place = len(self.keys)
            self.keys.append(key)
        self.place[key] = place
        self.gap[place], self.last[place] = self.now - self.gone.pop(key, -NEVER), self.now
        return victim

    def remember(self, key, last):
        self.gone[key] = last
        if len(self.gone) > self.keep:
            del self.gone[next(iter(self.gone))]


def distance(since, gap, young):
    """The gap before the last request, or the time since, whichever is longer."""
    return np.where(since < young, since, np.maximum(gap, since))
