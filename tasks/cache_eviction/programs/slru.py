"""Segmented LRU: a key that is asked for again moves into a protected part.

Source: Karedla, Love, Wherry, "Caching Strategies to Improve Disk System Performance", 1994.
"""

from collections import OrderedDict

PROTECTED = 0.8  # share of the cache


class Policy:
    def __init__(self, capacity):
        self.room = max(1, int(PROTECTED * capacity))
        self.new, self.proven = OrderedDict(), OrderedDict()

    def hit(self, key):
        if key in self.proven:
            self.proven.move_to_end(key)
            return
        del self.new[key]
        self.proven[key] = True
        if len(self.proven) > self.room:
            self.new[self.proven.popitem(last=False)[0]] = True

    def miss(self, key, full):
        victim = None
        if full:
            victim = (self.new or self.proven).popitem(last=False)[0]
        self.new[key] = True
        return victim
