"""A trace with its cache, from one miss to the next; and the best that can be done knowing it all."""

from __future__ import annotations

import hashlib

import numpy as np

NO_VICTIM = -1
RANKED_EVERY = (
    8  # evictions, of which one is compared with all that stays: it costs the cache's size
)


class Lane:
    """One trace and its cache, as it truly is.

    new: the keys asked for since the last answer, hits in their order and at the end the miss.
    victims: all that had to go so far.
    """

    def __init__(self, keys: np.ndarray, capacity: int, bits: np.ndarray | None) -> None:
        self.keys: list[int] = keys.tolist()
        self.capacity = capacity
        self.misses = 0
        self.new: list[int] = []
        self.victims: list[int] = []
        self._bits = bits
        self._at = 0
        self._last: dict[int, int] = {}  # of what is in the cache: when it was last asked for
        self._count: dict[int, int] = {}  # and how often since it came
        self._ranks: list[tuple[float, float]] = []

    @property
    def full(self) -> bool:
        return len(self._last) >= self.capacity

    def to_next_miss(self) -> bool:
        """Go on to the next key that is not in the cache; tell whether there is one."""
        keys, last, count = self.keys, self._last, self._count
        begin = at = self._at
        end = len(keys)
        while at < end:
            key = keys[at]
            if key not in last:
                break
            last[key] = at
            count[key] += 1
            at += 1
        else:
            self._at = end
            return False
        self._at = at + 1
        self.new = keys[begin : at + 1]
        self.misses += 1
        return True

    def new_bits(self) -> np.ndarray:
        """Give the predictions that come with `new`."""
        assert self._bits is not None
        return self._bits[self._at - len(self.new) : self._at]

    def let_in(self, victim: int) -> None:
        """Put the key that was missed in the victim's place. Raises: ValueError saying what is wrong."""
        if self.full:
            if victim not in self._last:
                what = "no key" if victim == NO_VICTIM else f"{victim}, which it does not hold,"
                raise ValueError(f"it is full and {what} was to go")
            if len(self.victims) % RANKED_EVERY == 0:
                self._rank(victim)
            self.victims.append(victim)
            del self._last[victim], self._count[victim]
        elif victim != NO_VICTIM:
            raise ValueError(f"it has room and {victim} was to go: give None until it is full")
        key = self.new[-1]
        self._last[key], self._count[key] = self._at - 1, 1

    def mean_rank(self, by: int) -> float:
        """Give how extreme victims were, 0 to 1: by 0, how long ago they were asked for (1 for the
        longest), by 1, how seldom since they came (1 for the most seldom); 0.5 without any."""
        return float(np.mean([ranks[by] for ranks in self._ranks])) if self._ranks else 0.5

    def digest(self) -> str:
        """Give a text that is equal for equal victims."""
        return hashlib.blake2b(np.array(self.victims).tobytes(), digest_size=8).hexdigest()

    def _rank(self, victim: int) -> None:
        last, count, others = self._last[victim], self._count[victim], max(len(self._last) - 1, 1)
        newer = sum(value > last for value in self._last.values())
        counts = list(self._count.values())
        more = sum(value > count for value in counts) + 0.5 * (counts.count(count) - 1)
        self._ranks.append((newer / others, more / others))


def belady(keys: list[int], capacity: int) -> tuple[list[int], np.ndarray]:
    """Evict what is asked for last, or never again.

    Gives the victims in order, and per request whether its key is evicted before it is asked for
    again, or never asked for again, (requests,) bool. Source: Belady 1966; Mattson et al. 1970.
    """
    never = len(keys)
    following, seen = [never] * len(keys), dict[int, int]()
    for at in range(len(keys) - 1, -1, -1):
        following[at] = seen.get(keys[at], never)
        seen[keys[at]] = at
    cached, asked = dict[int, int](), dict[int, int]()
    victims, gone = list[int](), np.array(following) == never
    for at, key in enumerate(keys):
        if key not in cached and len(cached) >= capacity:
            victim = max(cached, key=cached.__getitem__)
            victims.append(victim)
            gone[asked[victim]] = True
            del cached[victim]
        cached[key], asked[key] = following[at], at
    return victims, gone
