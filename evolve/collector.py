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


class Past:
    """What the collector need not look at again. told: steps that the run has told by now."""

    def __init__(self, told: int) -> None:
        self._settled = told
        gc.freeze()

    def settle(self, told: int) -> None:
        """Let what is there count as the past, if that is due."""
        if told - self._settled >= EVERY:
            self._settled = told
            gc.collect()  # of what came since: garbage that is frozen stays for ever
            gc.freeze()


@contextmanager
def seldom_collected(told: int) -> Iterator[Past]:
    """Around a search of this process: have garbage collected seldom; as it was afterwards."""
    thresholds = gc.get_threshold()
    gc.set_threshold(YOUNG, *thresholds[1:])
    try:
        yield Past(told)
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
