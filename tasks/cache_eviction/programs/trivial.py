"""A random key has to go."""

import numpy as np


class Policy:
    def __init__(self, capacity):
        self.keys = []
        self.draw = np.random.default_rng(7)

    def hit(self, key):
        pass

    def miss(self, key, full):
        if not full:
            self.keys.append(key)
            return None
        place = int(self.draw.integers(len(self.keys)))
        victim, self.keys[place] = self.keys[place], key
        return victim
