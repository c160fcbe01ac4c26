"""Evicts what the bit says will go anyway, the newest marked first; LRU where nothing is marked.

Source: the discard predictions of Antoniadis et al., "Paging with Succinct Predictions", 2023, arXiv
2210.02775; the order among marked keys is ours: in loops the newest is asked for last.
"""

from collections import OrderedDict


class Policy:
    def __init__(self, capacity):
        self.marked, self.others = OrderedDict(), OrderedDict()

    def hit(self, key, bit):
        (self.marked if key in self.marked else self.others).pop(key)
        (self.marked if bit else self.others)[key] = True

    def miss(self, key, full, bit):
        victim = None
        if full:
            newest, oldest = self.marked, self.others
            victim = newest.popitem()[0] if newest else oldest.popitem(last=False)[0]
        (self.marked if bit else self.others)[key] = True
        return victim
