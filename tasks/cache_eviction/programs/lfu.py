"""Least frequently used since it came in; among equals the one that came in first.

Source: Coffman, Denning, "Operating Systems Theory", 1973. Counts are forgotten with their key.
"""


class Policy:
    def __init__(self, capacity):
        self.counts = {}

    def hit(self, key):
        self.counts[key] += 1

    def miss(self, key, full):
        victim = min(self.counts, key=self.counts.get) if full else None
        if full:
            del self.counts[victim]
        self.counts[key] = 1
        return victim
