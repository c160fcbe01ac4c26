"""First in, first out: the key that came first has to go, whatever was asked for since.

Source: Belady, "A Study of Replacement Algorithms for a Virtual-Storage Computer", 1966.
"""

from collections import deque


class Policy:
    def __init__(self, capacity):
        self.queue = deque()

    def hit(self, key):
        pass

    def miss(self, key, full):
        self.queue.append(key)
        return self.queue.popleft() if full else None
