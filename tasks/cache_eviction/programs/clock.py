"""CLOCK, or second chance: FIFO that lets a key go round once more if it was asked for.

Source: Corbato, "A Paging Experiment with the Multics System", 1968.
"""

from collections import deque

CHANCES = 1


class Policy:
    def __init__(self, capacity):
        self.queue = deque()
        self.asked = {}

    def hit(self, key):
        self.asked[key] = min(self.asked[key] + 1, CHANCES)

    def miss(self, key, full):
        victim = None
        while full and victim is None:
            oldest = self.queue.popleft()
            if self.asked[oldest] > 0:
                self.asked[oldest] -= 1
                self.queue.append(oldest)
            else:
                del self.asked[oldest]
                victim = oldest
        self.queue.append(key)
        self.asked[key] = 0
        return victim
