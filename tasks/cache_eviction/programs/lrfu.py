"""LRFU: each request counts for a key, and counts less the longer it lies back.

Source: Lee et al., "LRFU: A Spectrum of Policies that Subsumes the Least Recently Used and Least
Frequently Used Policies", 2001. DECAY is per capacity of requests, so that one value fits all sizes.
"""

DECAY = 0.3


class Policy:
    def __init__(self, capacity):
        self.factor = DECAY ** (1 / capacity)
        self.worth = {}  # in units that grow instead of all others shrinking
        self.unit = 1.0

    def hit(self, key):
        self.unit /= self.factor
        self.worth[key] += self.unit
        if self.unit > 1e100:
            self.shrink()

    def miss(self, key, full):
        self.unit /= self.factor
        victim = None
        if full:
            victim = min(self.worth, key=self.worth.get)
            del self.worth[victim]
        self.worth[key] = self.unit
        return victim

    def shrink(self):
        self.worth = {key: value / self.unit for key, value in self.worth.items()}
        self.unit = 1.0
