"""ARC: two LRU lists, of keys asked for once and more often, that learn their sizes from ghosts.

Source: Megiddo, Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache", 2003, figure 4.
"""

from collections import OrderedDict


class Policy:
    def __init__(self, capacity):
        self.capacity, self.target = capacity, 0.0
        self.once, self.often = OrderedDict(), OrderedDict()
        self.gone_once, self.gone_often = OrderedDict(), OrderedDict()

    def hit(self, key):
        if key in self.once:
            del self.once[key]
            self.often[key] = True
        else:
            self.often.move_to_end(key)

    def miss(self, key, full):
        if key in self.gone_once:
            step = max(1.0, len(self.gone_often) / len(self.gone_once))
            self.target = min(self.target + step, self.capacity)
            victim = self.replace(False) if full else None
            del self.gone_once[key]
            self.often[key] = True
        elif key in self.gone_often:
            step = max(1.0, len(self.gone_once) / len(self.gone_often))
            self.target = max(self.target - step, 0.0)
            victim = self.replace(True) if full else None
            del self.gone_often[key]
            self.often[key] = True
        else:
            victim = self.make_room() if full else None
            self.once[key] = True
        return victim

    def make_room(self):
        if len(self.once) + len(self.gone_once) >= self.capacity:
            if not self.gone_once:
                return self.once.popitem(last=False)[0]
            self.gone_once.popitem(last=False)
        elif len(self.gone_once) + len(self.gone_often) >= self.capacity and self.gone_often:
            self.gone_often.popitem(last=False)
        return self.replace(False)

    def replace(self, was_often):
        beyond = len(self.once) > self.target or (was_often and len(self.once) == self.target)
        if self.once and (beyond or not self.often):
            victim = self.once.popitem(last=False)[0]
            self.gone_once[victim] = True
        else:
            victim = self.often.popitem(last=False)[0]
            self.gone_often[victim] = True
        return victim
