"""SIEVE: a hand goes over a FIFO queue; what was asked for stays in its place, once.

Source: Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is Simpler than LRU: an Efficient Turn-Key
Eviction Algorithm for Web Caches", 2024. The queue is a list here, oldest first.
"""


class Policy:
    def __init__(self, capacity):
        self.queue = []
        self.asked = {}
        self.hand = 0

    def hit(self, key):
        self.asked[key] = True

    def miss(self, key, full):
        victim = None
        while full and victim is None:
            if self.hand >= len(self.queue):
                self.hand = 0
            met = self.queue[self.hand]
            if self.asked[met]:
                self.asked[met] = False
                self.hand += 1
            else:
                victim = self.queue.pop(self.hand)
                del self.asked[victim]
        self.queue.append(key)
        self.asked[key] = False
        return victim
