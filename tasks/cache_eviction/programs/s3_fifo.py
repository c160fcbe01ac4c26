"""S3-FIFO: a small FIFO filters out what is asked for once; a main one goes round; a ghost lets back in.

Source: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO Queues are All You Need for Cache Eviction", 2023,
algorithm 1.
"""

from collections import OrderedDict, deque

SMALL = 0.1  # of the capacity
GHOST = 0.9  # of the capacity: keys that are remembered
MOST = 3  # requests that are counted
AGAIN = 1  # requests, beyond which a key leaves the small queue for the main one


class Policy:
    def __init__(self, capacity):
        self.room = max(1, int(SMALL * capacity))
        self.memory = max(1, int(GHOST * capacity))
        self.small, self.main, self.ghost = deque(), deque(), OrderedDict()
        self.count = {}

    def hit(self, key):
        self.count[key] = min(self.count[key] + 1, MOST)

    def miss(self, key, full):
        victim = self.evict() if full else None
        if key in self.ghost:
            del self.ghost[key]
            self.main.append(key)
        else:
            self.small.append(key)
        self.count[key] = 0
        return victim

    def evict(self):
        while self.small and (len(self.small) >= self.room or not self.main):
            key = self.small.popleft()
            if self.count[key] > AGAIN:
                self.count[key] = 0
                self.main.append(key)
            else:
                del self.count[key]
                self.ghost[key] = True
                if len(self.ghost) > self.memory:
                    self.ghost.popitem(last=False)
                return key
        while True:
            key = self.main.popleft()
            if self.count[key] == 0:
                del self.count[key]
                return key
            self.count[key] -= 1
            self.main.append(key)
