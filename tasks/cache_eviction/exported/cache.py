"""A mapping of limited size and a decorator like functools.lru_cache out of a discovered `Policy`.

    from cache import PolicyCache, policy_cache

    pages = PolicyCache(1000, Policy)          # a dict that lets keys go as the policy says
    @policy_cache(Policy, maxsize=256)
    def slow(x, y): ...                        # slow.cache_info(), slow.cache_clear()

Needs the standard library only (and numpy where the policy imports it).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Hashable, Iterator, MutableMapping
from typing import Any, NamedTuple


class CacheInfo(NamedTuple):
    """As of functools.lru_cache."""

    hits: int
    misses: int
    maxsize: int
    currsize: int


class PolicyCache(MutableMapping[Hashable, Any]):
    """A mapping that holds at most `maxsize` items.

    Reading an item that is there is a hit; setting one that is not is a miss, after which another may
    be gone. Keys are numbered for the policy, which knows integers only. Single items cannot be
    deleted, since a policy is never told of that.
    Raises: ValueError for a maxsize below one.
    """

    def __init__(self, maxsize: int, policy: Callable[[int], Any]) -> None:
        if maxsize < 1:
            raise ValueError(f"maxsize is {maxsize}: a cache holds one item or more")
        self.maxsize = maxsize
        self._policy_class = policy
        self.clear()

    def clear(self) -> None:
        """Forget all items and all that the policy learnt."""
        self._policy = self._policy_class(self.maxsize)
        self._values: dict[Hashable, Any] = {}
        self._numbers: dict[Hashable, int] = {}
        self._keys: dict[int, Hashable] = {}
        self._given = 0

    def __getitem__(self, key: Hashable) -> Any:
        value = self._values[key]
        self._policy.hit(self._numbers[key])
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        if key in self._values:
            self._policy.hit(self._numbers[key])
        else:
            self._let_in(key)
        self._values[key] = value

    def __delitem__(self, key: Hashable) -> None:
        raise TypeError("the policy decides which item goes; clear() forgets all")

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _let_in(self, key: Hashable) -> None:
        full = len(self._values) >= self.maxsize
        victim = self._policy.miss(self._number(key), full)
        if full:
            del self._values[self._keys[int(victim)]]
        if len(self._numbers) > self._remembered():
            self._drop_names()

    def _number(self, key: Hashable) -> int:
        """Give the number of a key; one that comes again has the same, so that ghosts are met."""
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._given
            self._keys[number] = key
            self._given += 1
        return number

    def _remembered(self) -> int:
        """How many keys keep their number: beyond that, those that left longest ago lose it."""
        return max(32 * self.maxsize, 1024)

    def _drop_names(self) -> None:
        """Keep the numbers of what is held, and of the newer half of the rest."""
        kept = list(self._numbers.items())[len(self._numbers) // 2 :]
        held = [(key, self._numbers[key]) for key in self._values]
        self._numbers = dict([*held, *((key, number) for key, number in kept)])
        # a key that is met again counts as new
        self._keys = {number: key for key, number in self._numbers.items()}


def policy_cache(policy: Callable[[int], Any], maxsize: int = 128) -> Callable[..., Any]:
    """Give a decorator that keeps the results of a function; arguments must be hashable."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        kept, lock = PolicyCache(maxsize, policy), threading.RLock()
        counts = {"hits": 0, "misses": 0}

        @functools.wraps(function)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            key = arguments, tuple(sorted(named.items()))
            with lock:
                if key in kept:
                    counts["hits"] += 1
                    return kept[key]
                counts["misses"] += 1
            value = function(*arguments, **named)
            with lock:
                kept[key] = value
            return value

        def cache_info() -> CacheInfo:
            return CacheInfo(counts["hits"], counts["misses"], maxsize, len(kept))

        def cache_clear() -> None:
            with lock:
                kept.clear()
                counts.update(hits=0, misses=0)

        wrapper.cache_info = cache_info  # type: ignore[attr-defined]
        wrapper.cache_clear = cache_clear  # type: ignore[attr-defined]
        return wrapper

    return decorate
