"""2Q: a FIFO for what is new, an LRU for what is asked for again after it left the FIFO.

Source: Johnson, Shasha, "2Q: A Low Overhead High Performance Buffer Management Replacement Algorithm",
1994, full version, with the sizes that it recommends.
"""

from collections import OrderedDict

IN, OUT = 0.25, 0.5  # of the capacity: keys that are new, and keys that are remembered


class Policy:
    def __init__(self, capacity):
        self.room = max(1, int(IN * capacity))
        self.memory = max(1, int(OUT * capacity))
        self.new, self.gone, self.hot = OrderedDict(), OrderedDict(), OrderedDict()

    def hit(self, key):
        if key in self.hot:
            self.hot.move_to_end(key)

    def miss(self, key, full):
        victim = self.evict() if full else None
        if key in self.gone:
            del self.gone[key]
            self.hot[key] = True
        else:
            self.new[key] = True
        return victim

    def evict(self):
        if len(self.new) > self.room or not self.hot:
            victim = self.new.popitem(last=False)[0]
            self.gone[victim] = True
            if len(self.gone) > self.memory:
                self.gone.popitem(last=False)
            return victim
        return self.hot.popitem(last=False)[0]
