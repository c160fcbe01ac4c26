"""The occupied cells of a grid: who holds them, valued anew when somebody looks.

A confirm step changes what is believed of every elite. Most cells are next looked at after many of
these, and only the last matters then; so each keeps its elites as they were last seen, and the
bound that no belief of them can pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Cell = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Elite:
    """A program that holds a place.

    fitness: on the train block, higher is better; n: instances behind it, se: its standard error.
    mean: what is believed of its true fitness, by which elites rank, and `fitness` unless somebody
    says otherwise; error: the standard error of that. fresh: instances of fresh blocks that it was
    confirmed on. nodes: syntax nodes; fewer wins a tie, then the lower step: a total order.
    most: what no calibration believes more of it than, until it is confirmed again.
    """

    step: int
    program: str
    fitness: float
    nodes: int
    n: int = 0
    se: float | None = None
    believed: float | None = None
    error: float | None = None
    fresh: int = 0
    most: float = math.inf

    @property
    def mean(self) -> float:
        return self.fitness if self.believed is None else self.believed

    @property
    def confirmed(self) -> bool:
        return self.fresh > 0

    def key(self) -> tuple[float, int, int]:
        """Give what elites are sorted by, best first."""
        mean = self.fitness if self.believed is None else self.believed  # asked for very often
        return (-mean, self.nodes, self.step)


# What an elite is believed to be worth now; None lets it go.
Value = Callable[[Elite], Elite | None]


class _Held(NamedTuple):
    """Who holds a cell, best first. most: of theirs; by: who valued them, None as they came."""

    elites: tuple[Elite, ...]
    most: float
    by: Value | None


class Cells(Mapping[Cell, tuple[Elite, ...]]):
    """{cell: its elites, best first}. It never changes; `holding` and `revalued` give others.

    value: what elites are worth where nobody has looked since.
    """

    def __init__(self, held: Mapping[Cell, _Held] | None = None, value: Value | None = None):
        self._held, self._value = dict(held or {}), value

    @classmethod
    def of(cls, cells: Mapping[Cell, Iterable[Elite]]) -> Cells:
        """Make them of elites, best first, that are as they are believed now."""
        return cls({cell: _held(tuple(elites), None) for cell, elites in cells.items()})

    def __getitem__(self, cell: Cell) -> tuple[Elite, ...]:
        held = self._held[cell]
        if held.by is not self._value:
            assert self._value is not None
            valued = filter(None, map(self._value, held.elites))
            held = self._held[cell] = _held(tuple(sorted(valued, key=Elite.key)), self._value)
        return held.elites

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    @property
    def num_elites(self) -> int:
        return sum(len(held.elites) for held in self._held.values())

    def as_seen(self) -> Iterator[Elite]:
        """Give all elites as somebody saw them last: who they are, without what is believed now."""
        return (elite for held in self._held.values() for elite in held.elites)

    def holding(self, cell: Cell, elites: tuple[Elite, ...]) -> Cells:
        """Give the cells with other elites in one of them, valued as of now; none empty it."""
        cells = Cells(self._held, self._value)
        if elites:
            cells._held[cell] = _held(elites, self._value)
        else:
            cells._held.pop(cell, None)
        return cells

    def revalued(self, value: Value, depth: int, now: Collection[Cell] | None = None) -> Cells:
        """Give the cells with every elite as `value` says.

        depth: how many a cell holds. now: the cells where it lets somebody go or knows of new evidence;
        all if None. In the others nobody has to go for it, though one more be there than the depth:
        they are only ranked, when somebody looks, and of many revaluations the last is all that counts.
        """
        cells = Cells(self._held, value)
        for cell in self._held.keys() if now is None else self._held.keys() & set(now):
            if kept := kept_of(filter(None, map(value, self._held[cell].elites)), depth):
                cells._held[cell] = _held(kept, value)
            else:
                del cells._held[cell]
        return cells

    def changed(self, before: Cells, among: Collection[Cell] | None = None) -> Iterator[Cell]:
        """Give the cells that differ from those of before, in their order.

        among: the only ones to look at; all if None.
        """
        cells = self._held.keys() | before._held.keys()
        if among is not None:
            cells &= set(among)
        elif self._value is before._value:  # most were never touched
            cells = {c for c in cells if self._held.get(c) is not before._held.get(c)}
        yield from (c for c in sorted(cells) if self.get(c, ()) != before.get(c, ()))

    def reaching(self, mean: float, most: Callable[[Elite], float]) -> Iterator[Elite]:
        """Give all elites that may be believed to be worth that much.

        most: a bound on what `value` says of one, cheaper than that and closer than `Elite.most`.
        """
        for held in self._held.values():
            if held.most < mean:
                continue
            for elite in held.elites:
                if elite.most < mean or most(elite) < mean:
                    continue
                if self._value is None or held.by is self._value:
                    yield elite
                elif (valued := self._value(elite)) is not None:
                    yield valued


def kept_of(elites: Iterable[Elite], depth: int) -> tuple[Elite, ...]:
    """Give those that stay in a cell, best first: `depth`, and the best confirmed one beside them."""
    ranked = sorted(elites, key=Elite.key)
    if len(ranked) <= depth:
        return tuple(ranked)
    kept, rest = ranked[:depth], ranked[depth:]
    if not any(elite.confirmed for elite in kept):
        kept += [elite for elite in rest if elite.confirmed][:1]
    return tuple(kept)


def _held(elites: tuple[Elite, ...], by: Value | None) -> _Held:
    return _Held(elites, max((elite.most for elite in elites), default=-math.inf), by)
