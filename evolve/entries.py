"""The told steps in their order: the latest are kept whole, older ones are recalled from their rows.

A told row never changes, so a state that looks one up again sees what it saw before. A search of a
million steps so holds a few thousand of them in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import overload

from archive.records import Evaluation, Step
from evolve.hurdle import is_stopped

# Kept whole, some 5 to 20 KB each: more than the largest lookahead (4,096) and what a prompt looks
# back on (400) together, so that a step at work finds its latest ones here.
LATEST = 5_000
# Of older ones so many stay at hand: elites and their parents.
RECALLED = 5_000


@dataclass(frozen=True, slots=True)
class Told:
    """One told step with what was known of its program."""

    step: Step
    evaluation: Evaluation | None
    nodes: int

    @property
    def fitness(self) -> float | None:
        """The fitness on the train block; None for what stopped at the hurdle, on a part of it."""
        return self.evaluation.fitness if self.evaluation and not is_stopped(self.step) else None


# Gives the step that was told as number `seq`, as its rows have it.
Recall = Callable[[int], Told]


class Entries(Sequence[Told]):
    """The told steps by the order of their tells; it only grows.

    recall: reads an entry that is not kept; without one all are kept.
    """

    def __init__(self, recall: Recall | None = None) -> None:
        self._recall = recall
        self._length = 0
        self._latest: dict[int, Told] = {}
        self._recalled: dict[int, Told] = {}

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, seq: int) -> Told: ...
    @overload
    def __getitem__(self, seq: slice) -> list[Told]: ...
    def __getitem__(self, seq: int | slice) -> Told | list[Told]:
        if isinstance(seq, slice):
            return [self[each] for each in range(self._length)[seq]]
        seq = range(self._length)[seq]
        if (kept := self._latest.get(seq)) is not None:
            return kept
        assert self._recall is not None
        told = self._recalled.pop(seq, None) or self._recall(seq)
        self._recalled[seq] = told  # as the one that was used last
        if len(self._recalled) > RECALLED:
            del self._recalled[next(iter(self._recalled))]
        return told

    def append(self, told: Told) -> None:
        """Keep the next one."""
        self._latest[self._length] = told
        self._length += 1
        if self._recall is not None:
            self._latest.pop(self._length - 1 - LATEST, None)

    def skip(self) -> None:
        """Count the next one without keeping it: it is recalled when somebody asks."""
        assert self._recall is not None
        self._length += 1
