"""The steps that were asked and are not told: counted as they come and go, so that asking the next
one costs the same beside ten others and beside a thousand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from archive.records import Kind, Step


class UnderWay:
    """Steps under way, by number.

    company: children that are being made, by their first parent. confirming: confirm steps.
    """

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self._steps: dict[int, Step] = {}
        self._confirming: dict[int, Step] = {}
        self.company: Counter[int] = Counter()
        for step in steps:
            self.add(step)

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps.values())

    @property
    def confirming(self) -> tuple[Step, ...]:
        return tuple(self._confirming.values())

    def add(self, step: Step) -> None:
        """Take a step in; one that is there already changes nothing."""
        if step.n in self._steps:
            return
        self._steps[step.n] = step
        if step.kind is Kind.CONFIRM:
            self._confirming[step.n] = step
        elif step.parents:
            self.company[step.parents[0]] += 1

    def remove(self, n: int) -> None:
        """Let a step go, which is being told."""
        step = self._steps.pop(n)
        if self._confirming.pop(n, None) is None and step.parents:
            parent = step.parents[0]
            self.company[parent] -= 1
            if not self.company[parent]:
                del self.company[parent]

    def beside(self, others: Iterable[Step]) -> UnderWay:
        """Give these and some others; itself where there are none."""
        more = tuple(others)
        return UnderWay((*self, *more)) if more else self
