"""Least recently used: the key that was not asked for the longest has to go.

Source: Mattson, Gecsei, Slutz, Traiger, "Evaluation Techniques for Storage Hierarchies", 1970.
"""

from collections import OrderedDict


class Policy:
    def __init__(self, capacity):
        self.keys = OrderedDict()

    def hit(self, key):
        self.keys.move_to_end(key)

    def miss(self, key, full):
        victim = self.keys.popitem(last=False)[0] if full else None
        self.keys[key] = True
        return victim
