"""Most recently used: the newest key has to go, which is right for loops alone.

Source: Chou, DeWitt, "An Evaluation of Buffer Management Strategies for Relational Database Systems",
1985.
"""

from collections import OrderedDict


class Policy:
    def __init__(self, capacity):
        self.keys = OrderedDict()

    def hit(self, key):
        self.keys.move_to_end(key)

    def miss(self, key, full):
        victim = self.keys.popitem()[0] if full else None
        self.keys[key] = True
        return victim
