"""Keeps the books of all caches, and asks for priorities where a key has to go: the lowest goes."""

import numpy as np

NO_VICTIM = -1
REMEMBERED = 4  # capacities of keys that left and are still known when they come again


def call(candidate, public, rng):
    """Give what answers an item: the victims of all caches that miss, (lanes,) int64."""
    books = [Book(capacity) for capacity in public["capacities"]]

    def answer(step, lanes, ends, keys, bits=None):
        keys, ends = keys.tolist(), ends.tolist()
        victims, begin = [], 0
        for lane, end in zip(lanes.tolist(), ends, strict=True):
            book = books[lane]
            for key in keys[begin : end - 1]:
                book.hit(key)
            victims.append(book.miss(keys[end - 1], candidate))
            begin = end
        return np.array(victims, dtype=np.int64)

    return answer


class Book:
    """What is known of the keys in one cache, slot by slot."""

    def __init__(self, capacity):
        self.capacity = capacity
        self.slot, self.keys, self.gone = {}, [], {}
        self.now = 0
        self.last, self.came, self.before = np.zeros((3, capacity))
        self.count, self.total, self.decayed = np.ones((3, capacity))
        self.fade = 0.5 ** (1 / capacity)

    def hit(self, key):
        self.now += 1
        slot = self.slot[key]
        self.decayed[slot] = 1 + self.decayed[slot] * self.fade ** (self.now - self.last[slot])
        self.before[slot], self.last[slot] = self.last[slot], self.now
        self.count[slot] += 1
        self.total[slot] += 1

    def miss(self, key, candidate):
        """Let a key in; give the one that had to go for it."""
        self.now += 1
        victim = NO_VICTIM
        if len(self.keys) < self.capacity:
            slot = len(self.keys)
            self.keys.append(key)
        else:
            slot = self.lowest(candidate)
            victim, self.keys[slot] = self.keys[slot], key
            del self.slot[victim]
            self.gone[victim] = self.last[slot], self.total[slot]
            if len(self.gone) > REMEMBERED * self.capacity:
                del self.gone[next(iter(self.gone))]
        self.slot[key] = slot
        before, total = self.gone.pop(key, (0.0, 0.0))
        self.before[slot], self.last[slot], self.came[slot] = before, self.now, self.now
        self.count[slot], self.total[slot], self.decayed[slot] = 1, total + 1, 1
        return victim

    def lowest(self, candidate):
        age = self.now - self.last
        cache = {
            "age": age,
            "stay": self.now - self.came,
            "count": self.count.copy(),
            "gap": self.last - self.before,
            "total": self.total.copy(),
            "recent": self.decayed * self.fade**age,
            "capacity": self.capacity,
            "now": self.now,
        }
        given = np.asarray(candidate(cache), dtype=float)
        if given.shape != (self.capacity,):
            raise ValueError(
                f"priorities have shape {given.shape}: give one for each of {self.capacity}"
            )
        if np.isnan(given).any():
            raise ValueError("a priority is not a number")
        return int(given.argmin())
