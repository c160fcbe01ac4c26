"""W-TinyLFU: a small LRU window; what leaves it is let in only if it was asked for more often.

Source: Einziger, Friedman, Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017. Ours
counts exactly, in a dict that is halved every SAMPLE capacities of requests, instead of in a sketch.
"""

from collections import OrderedDict

WINDOW = 0.01  # of the capacity
PROTECTED = 0.8  # of what is not the window
SAMPLE = 10.0


class Policy:
    def __init__(self, capacity):
        self.window_room = max(1, int(WINDOW * capacity))
        self.room = max(1, int(PROTECTED * (capacity - self.window_room)))
        self.sample = SAMPLE * capacity
        self.window, self.new, self.proven = OrderedDict(), OrderedDict(), OrderedDict()
        self.counts, self.total = {}, 0

    def hit(self, key):
        self.note(key)
        if key in self.window:
            self.window.move_to_end(key)
        elif key in self.proven:
            self.proven.move_to_end(key)
        else:
            del self.new[key]
            self.proven[key] = True
            if len(self.proven) > self.room:
                self.new[self.proven.popitem(last=False)[0]] = True

    def miss(self, key, full):
        self.note(key)
        victim = self.contest() if full else None
        self.window[key] = True
        if not full and len(self.window) > self.window_room:
            self.new[self.window.popitem(last=False)[0]] = True
        return victim

    def contest(self):
        """The oldest of the window against the oldest of the rest."""
        entrant = self.window.popitem(last=False)[0]
        rest = self.new or self.proven
        if not rest:
            return entrant
        oldest = next(iter(rest))
        if self.counts.get(entrant, 0) <= self.counts.get(oldest, 0):
            return entrant
        del rest[oldest]
        self.new[entrant] = True
        return oldest

    def note(self, key):
        self.counts[key] = self.counts.get(key, 0) + 1
        self.total += 1
        if self.total >= self.sample:
            self.counts = {key: count // 2 for key, count in self.counts.items() if count > 1}
            self.total //= 2
