"""A `Policy` out of a discovered `priority`, for the mapping and the decorator in cache.py.

    from cache import PolicyCache
    from priority_policy import policy

    pages = PolicyCache(1000, policy(priority))

Needs numpy, and the harness of the task, which keeps the books that a priority is computed from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

try:
    from ._harness import NO_VICTIM, Book  # type: ignore[import-not-found]
except ImportError:  # in the task's own folder, or with the folder of an export on the path
    try:
        from _harness import NO_VICTIM, Book
    except ImportError:
        from harness import NO_VICTIM, Book  # type: ignore[import-not-found,no-redef]


class PriorityPolicy:
    """Lets the key of lowest priority go."""

    def __init__(self, priority: Callable[..., Any], capacity: int) -> None:
        self._priority = priority
        self._book = Book(capacity)

    def hit(self, key: int) -> None:
        self._book.hit(key)

    def miss(self, key: int, full: bool) -> int | None:
        victim: int = self._book.miss(key, self._priority)
        return None if victim == NO_VICTIM else victim


def policy(priority: Callable[..., Any]) -> Callable[[int], PriorityPolicy]:
    """Give what makes a policy for a capacity."""
    return functools.partial(PriorityPolicy, priority)
