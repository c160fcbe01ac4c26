"""Evicts what the bit says will go anyway, the longest marked first; LRU where nothing is marked.

Source: Antoniadis et al., "Paging with Succinct Predictions", 2023, arXiv 2210.02775, in its setting of
discard predictions. Ours is deterministic and trusts the bit; the paper's MARK0 bounds what wrong bits
can cost.
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
            victim = (self.marked or self.others).popitem(last=False)[0]
        (self.marked if bit else self.others)[key] = True
        return victim
