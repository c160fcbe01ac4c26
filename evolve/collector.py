"""Python's garbage collector beside a long search.

A run keeps a few objects of every told step for as long as it works. The collector looks at all of them
each time that many new ones have come, at a million steps for two seconds. Nearly nothing of a search is
cyclic garbage, so it may look seldom, and what has lasted for long need not be looked at again.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# So many more new objects than freed ones, and the collector looks at these; Python's own is 700.
YOUNG = 20_000
# After so many told steps all that is there counts as the past.
EVERY = 10_000


class _Shared:
    """The collector of this process: its first search sets it, and its last one puts it back."""

    def __init__(self) -> None:
        self._searches, self._thresholds, self._freezes = 0, gc.get_threshold(), True

    def begin(self) -> None:
        if self._searches == 0:
            self._thresholds = young, *others = gc.get_threshold()
            self._freezes = gc.get_freeze_count() == 0  # else somebody else keeps objects there
            if young:  # 0: never
                gc.set_threshold(max(young, YOUNG), *others)
        self._searches += 1

    def end(self) -> None:
        self._searches -= 1
        if self._searches == 0:
            gc.set_threshold(*self._thresholds)
            if self._freezes:
                gc.unfreeze()

    def freeze(self) -> None:
        if self._freezes:
            gc.collect()  # garbage that is frozen stays
            gc.freeze()


_shared = _Shared()


class Past:
    """What the collector need not look at again. told: steps that the run has told by now."""

    def __init__(self, told: int) -> None:
        self._reaches = told
        _shared.freeze()

    def extend(self, told: int) -> None:
        """Let what is there count as the past, if that is due."""
        if told - self._reaches >= EVERY:
            self._reaches = told
            _shared.freeze()


@contextmanager
def seldom_collected(told: int) -> Iterator[Past]:
    """Around a search: have this process's garbage collected seldom, and as before when all have ended."""
    _shared.begin()
    try:
        yield Past(told)
    finally:
        _shared.end()
