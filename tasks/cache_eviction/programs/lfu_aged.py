"""LFU with dynamic ageing: a key starts from what the last victim was worth.

Source: Arlitt, Cherkasova, Dilley, Friedrich, Jin, "Evaluating Content Management Techniques for Web
Proxy Caches", 2000; all keys are of one size here.
"""

STEP = 1.0


class Policy:
    def __init__(self, capacity):
        self.worth = {}
        self.age = 0.0

    def hit(self, key):
        self.worth[key] += STEP

    def miss(self, key, full):
        victim = None
        if full:
            victim = min(self.worth, key=self.worth.get)
            self.age = self.worth.pop(victim)
        self.worth[key] = self.age + STEP
        return victim
