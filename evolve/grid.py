"""The MAP-Elites grid: up to `depth` elites per cell of measure space (Mouret & Clune 2015).

Cells have fixed edges, set by the task; nothing is ever moved. Cells deeper than one follow
RainbowPlus (Dang et al. 2025); statistics carry the names of pyribs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from evolve.spec import Measure

Cell = tuple[int, ...]

DEFAULT_DEPTH = 3


class Placement(IntEnum):
    """What the grid thought of a program: turned away, added to a cell, or first of its cell."""

    NOT_ADDED = 0
    IMPROVED = 1
    NEW = 2


@dataclass(frozen=True, slots=True)
class Elite:
    """A program that holds a place.

    fitness: on the train block, higher is better; n: instances behind it, se: its standard error.
    mean: what is believed of its true fitness, by which elites rank, and `fitness` unless somebody
    says otherwise; error: the standard error of that. fresh: instances of fresh blocks that it was
    confirmed on. nodes: syntax nodes; fewer wins a tie, then the lower step: a total order.
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

    @property
    def mean(self) -> float:
        return self.fitness if self.believed is None else self.believed

    @property
    def confirmed(self) -> bool:
        return self.fresh > 0

    def key(self) -> tuple[float, int, int]:
        """Give what elites are sorted by, best first."""
        return (-self.mean, self.nodes, self.step)


@dataclass(frozen=True)
class Grid:
    """The cells and who holds them; `place` gives a new grid and leaves this one alone.

    cells: {cell: elites, best first}; the first is the one shown.
    """

    measures: tuple[Measure, ...]
    depth: int = DEFAULT_DEPTH
    cells: Mapping[Cell, tuple[Elite, ...]] = field(default_factory=dict)

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
        kept = self._kept((*held, elite))
        if elite not in kept:
            return self, Placement.NOT_ADDED
        grid = Grid(self.measures, self.depth, {**self.cells, cell: kept})
        return grid, Placement.IMPROVED if held else Placement.NEW

    def revalued(self, value: Callable[[Elite], Elite | None]) -> Grid:
        """Give the grid with every elite replaced by what `value` makes of it, None to let it go."""
        cells = {}
        for cell, held in self.cells.items():
            if kept := self._kept([new for old in held if (new := value(old)) is not None]):
                cells[cell] = kept
        return Grid(self.measures, self.depth, cells)

    def changed(self, before: Grid) -> Iterator[tuple[Cell, tuple[Elite, ...]]]:
        """Give the cells that differ from those of another grid, with whom they hold now."""
        for cell in sorted(self.cells.keys() | before.cells.keys()):
            if (held := self.cells.get(cell, ())) != before.cells.get(cell, ()):
                yield cell, held

    def _kept(self, elites: Iterable[Elite]) -> tuple[Elite, ...]:
        """Give those that stay in a cell, best first."""
        ranked = sorted(elites, key=Elite.key)
        kept, rest = ranked[: self.depth], ranked[self.depth :]
        if not any(elite.confirmed for elite in kept):
            kept += [elite for elite in rest if elite.confirmed][:1]
        return tuple(kept)

    def shown(self) -> Iterator[tuple[Cell, Elite]]:
        """Give each occupied cell with its best elite, in the order of cells."""
        for cell in sorted(self.cells):
            yield cell, self.cells[cell][0]

    def elites(self) -> Iterator[Elite]:
        """Give all elites, cell by cell, best first."""
        for cell in sorted(self.cells):
            yield from self.cells[cell]


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
