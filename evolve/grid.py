"""The MAP-Elites grid: up to `depth` elites per cell of measure space (Mouret & Clune 2015).

Cells have fixed edges, set by the task; nothing is ever moved. Cells deeper than one follow
RainbowPlus (Dang et al. 2025); statistics carry the names of pyribs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

from evolve.cells import Cell, Cells, Elite, Value, kept_of
from evolve.spec import Measure

__all__ = ["DEFAULT_DEPTH", "Cell", "Elite", "Grid", "GridStats", "Placement", "grid_stats"]

DEFAULT_DEPTH = 3


class Placement(IntEnum):
    """What the grid thought of a program: turned away, added to a cell, or first of its cell."""

    NOT_ADDED = 0
    IMPROVED = 1
    NEW = 2


@dataclass(frozen=True)
class Grid:
    """The cells and who holds them; `place` gives a new grid and leaves this one alone.

    cells: {cell: elites, best first}; the first is the one shown.
    """

    measures: tuple[Measure, ...]
    depth: int = DEFAULT_DEPTH
    cells: Cells = field(default_factory=Cells)

    @classmethod
    def of(
        cls,
        measures: tuple[Measure, ...],
        depth: int,
        cells: Mapping[Cell, tuple[Elite, ...]],
    ) -> Grid:
        """Make a grid of elites in their cells, the best first."""
        return cls(measures, depth, Cells.of(cells))

    @cached_property
    def ranked(self) -> tuple[Elite, ...]:
        """All elites, best first."""
        return tuple(sorted(self.held, key=Elite.key))

    @cached_property
    def held(self) -> tuple[Elite, ...]:
        """All elites, cell by cell, best first."""
        return tuple(elite for cell in self.order for elite in self.cells[cell])

    @cached_property
    def num_held(self) -> int:
        """How many elites there are, not only those shown."""
        return self.cells.num_elites

    @cached_property
    def best_confirmed(self) -> Elite | None:
        """The best elite that was confirmed on fresh instances."""
        return next((elite for elite in self.ranked if elite.confirmed), None)

    @cached_property
    def order(self) -> tuple[Cell, ...]:
        """The occupied cells in their order."""
        return tuple(sorted(self.cells))

    def locate(self, values: Mapping[str, float]) -> tuple[Cell, bool]:
        """Give the cell of some measures, and whether a value had to be clipped into its range."""
        cell, clipped = [], False
        for measure in self.measures:
            index, outside = _bin(measure, values[measure.name])
            cell.append(index)
            clipped |= outside
        return tuple(cell), clipped

    def place(self, cell: Cell, elite: Elite) -> tuple[Grid, Placement]:
        """Offer an elite to its cell.

        A challenger that nobody confirmed takes the cell at once; the best confirmed one stays
        beside it, though the cell be full, until both are compared.
        """
        held = self.cells.get(cell, ())
        kept = kept_of((*held, elite), self.depth)
        if elite not in kept:
            return self, Placement.NOT_ADDED
        grid = Grid(self.measures, self.depth, self.cells.holding(cell, kept))
        return grid, Placement.IMPROVED if held else Placement.NEW

    def swapped(self, cell: Cell, old: Elite, new: Elite) -> Grid:
        """Give the grid with an elite of a cell replaced by another one."""
        held = (new if elite == old else elite for elite in self.cells[cell])
        return Grid(self.measures, self.depth, self.cells.holding(cell, kept_of(held, self.depth)))

    def revalued(self, value: Value, now: Collection[Cell] | None = None) -> Grid:
        """Give the grid with every elite replaced by what `value` makes of it, None to let it go.

        now: the cells where that cannot wait until somebody looks, see `Cells.revalued`; all if None.
        """
        return Grid(self.measures, self.depth, self.cells.revalued(value, self.depth, now))

    def changed(
        self, before: Grid, among: Collection[Cell] | None = None
    ) -> Iterator[tuple[Cell, tuple[Elite, ...]]]:
        """Give the cells that differ from those of another grid, with whom they hold now.

        among: the only ones to look at; all if None.
        """
        cells = self.cells.changed(before.cells, among)
        return ((cell, self.cells.get(cell, ())) for cell in cells)

    def shown(self) -> Iterator[tuple[Cell, Elite]]:
        """Give each occupied cell with its best elite, in the order of cells."""
        for cell in self.order:
            yield cell, self.cells[cell][0]

    def elites(self) -> Iterator[Elite]:
        """Give all elites, cell by cell, best first."""
        return iter(self.held)


@dataclass(frozen=True, slots=True)
class GridStats:
    """pyribs' statistics of a grid, over the elites shown.

    coverage: share of cells that are held. qd_score: sum of what is believed of their fitness, less
    `qd_offset` each; norm_qd_score: that over the number of cells. obj_max, obj_mean: of the same;
    None when empty.
    """

    num_elites: int
    coverage: float
    qd_score: float
    norm_qd_score: float
    obj_max: float | None
    obj_mean: float | None


def grid_stats(grid: Grid, qd_offset: float = 0.0) -> GridStats:
    """Compute the statistics that people of the field expect."""
    cells = math.prod(measure.bins for measure in grid.measures)
    fitness = [elite.mean for _, elite in grid.shown()]
    qd_score = math.fsum(value - qd_offset for value in fitness)
    return GridStats(
        num_elites=len(fitness),
        coverage=len(fitness) / cells,
        qd_score=qd_score,
        norm_qd_score=qd_score / cells,
        obj_max=max(fitness, default=None),
        obj_mean=math.fsum(fitness) / len(fitness) if fitness else None,
    )


def _bin(measure: Measure, value: float) -> tuple[int, bool]:
    lower, upper = measure.range
    share = (value - lower) / (upper - lower)
    index = min(max(math.floor(share * measure.bins), 0), measure.bins - 1)
    return index, not 0.0 <= share <= 1.0
