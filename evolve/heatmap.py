"""A two-dimensional grid drawn in a terminal: fitness as colour, and as a digit where none is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.style import Style
from rich.text import Text

from evolve.believed import Offered
from evolve.errors import UsageError
from evolve.grid import Elite, Grid
from evolve.spec import Measure

# Dark to light, after viridis (van der Walt and Smith 2015): even steps, fit for colour-blind eyes.
RAMP = (
    "#440154",
    "#482878",
    "#3e4989",
    "#31688e",
    "#26828e",
    "#1f9e89",
    "#35b779",
    "#6ece58",
    "#b5de2b",
    "#fde725",
)
DARK = 5  # of RAMP, so many are dark enough for white letters
EMPTY = "·"
BEST = "*"
# Bins of a measure that task.toml does not declare.
UNDECLARED_BINS = 10
MAX_CELL_WIDTH = 5
LABEL_WIDTH = 8


@dataclass(frozen=True)
class HeatMap:
    """The map of a grid over two measures: the first runs to the right, the second upwards.

    Each cell shows the tenth of the fitness range that its elite lies in, as it is believed, 0 to 9;
    `*` is the best.
    """

    grid: Grid
    title: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        x, y = self.grid.measures
        across = max(1, math.ceil(x.bins / (options.max_width - LABEL_WIDTH - 2)))
        cells = _pooled(self.grid, across)
        columns = math.ceil(x.bins / across)
        width = min(MAX_CELL_WIDTH, (options.max_width - LABEL_WIDTH - 2) // columns)
        yield Text(self.title, style="bold")
        if across > 1:
            yield Text(f"{across} bins of {x.name} share a column: the best is shown", style="dim")
        if not cells:
            yield Text("no elites yet", style="dim")
            return
        scale = _Scale([elite.mean for elite in cells.values()])
        yield Text(f"{y.name} ↑")
        for row in reversed(range(y.bins)):
            line = Text(f"{_edge(y, row):>{LABEL_WIDTH}} ")
            for column in range(columns):
                line.append_text(scale.cell(cells.get((column, row)), width))
            yield line
        yield _x_axis(x, columns, width, across)
        yield Text(f"{'':{LABEL_WIDTH + 1}}{x.name} →")
        yield Text("")
        yield scale.legend()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(LABEL_WIDTH + 2, options.max_width)


def project(grid: Grid) -> Grid:
    """Give the grid over the first two of its measures, each cell with its best elite."""
    if len(grid.measures) == 2:
        return grid
    cells: dict[tuple[int, ...], tuple[Elite, ...]] = {}
    for cell, elite in grid.shown():
        held = cells.get(cell[:2])
        if held is None or elite.key() < held[0].key():
            cells[cell[:2]] = (elite,)
    return Grid.of(grid.measures[:2], grid.depth, cells)


def refold(
    declared: Sequence[Measure], programs: Iterable[Offered], axes: Sequence[str]
) -> tuple[Grid, str]:
    """Place programs on a grid over other measures; give it and where its ranges come from.

    axes: two names out of the measures that the task's grades carry, declared or only logged.
    Raises: UsageError naming the measures that there are.
    """
    programs = list(programs)
    known = sorted({name for program in programs for name in program.measures})
    if len(axes) != 2 or axes[0] == axes[1] or not set(axes) <= set(known):
        raise UsageError(
            f"--axes {','.join(axes)}: write two of its measures as A,B; there are: "
            f"{', '.join(known) or 'none, nothing is told yet'}"
        )
    # Of a measure that came later than a program, nothing is known of that program.
    programs = [program for program in programs if set(axes) <= program.measures.keys()]
    spans = [_span(name, declared, [each.measures[name] for each in programs]) for name in axes]
    grid = Grid(tuple(measure for measure, _ in spans))
    for elite, measures in programs:
        grid, _ = grid.place(grid.locate(measures)[0], elite)
    notes = [f"{measure.name}: {origin}" for measure, origin in spans if origin]
    return grid, "; ".join(notes)


def _span(name: str, declared: Sequence[Measure], values: Sequence[float]) -> tuple[Measure, str]:
    """Give the bins of a measure: as declared, 0 to 1 if all values fit, else from the data."""
    for measure in declared:
        if measure.name == name:
            return measure, ""
    lower, upper = min(values), max(values)
    if lower >= 0.0 and upper <= 1.0:
        return Measure(name=name, range=(0.0, 1.0), bins=UNDECLARED_BINS), "range 0 to 1"
    if lower == upper:
        upper = lower + 1.0
    measure = Measure(name=name, range=(lower, upper), bins=UNDECLARED_BINS)
    return measure, f"range of the data, {lower:.4g} to {upper:.4g}"


class _Scale:
    """Where fitness values lie between the lowest and the highest shown."""

    def __init__(self, values: Sequence[float]) -> None:
        self.lowest, self.highest = min(values), max(values)

    def cell(self, elite: Elite | None, width: int) -> Text:
        if elite is None:
            return Text(f"{EMPTY:^{width}}", style="dim")
        tenth = self._tenth(elite.mean)
        sign = BEST if elite.mean == self.highest else str(tenth)
        return Text(f"{sign:^{width}}", style=_paint(tenth))

    def legend(self) -> Text:
        line = Text("fitness ")
        line.append(f"{self.lowest:.4f} ")
        for tenth in range(len(RAMP)):
            line.append(f" {tenth} ", style=_paint(tenth))
        line.append(f" {self.highest:.4f}   {BEST} best   {EMPTY} empty")
        return line

    def _tenth(self, fitness: float) -> int:
        if self.highest == self.lowest:
            return len(RAMP) - 1
        share = (fitness - self.lowest) / (self.highest - self.lowest)
        return min(int(share * len(RAMP)), len(RAMP) - 1)


def _paint(tenth: int) -> Style:
    return Style(color="white" if tenth < DARK else "black", bgcolor=RAMP[tenth])


def _pooled(grid: Grid, across: int) -> dict[tuple[int, int], Elite]:
    """Give the best elite of each drawn cell, `across` bins to a column."""
    cells: dict[tuple[int, int], Elite] = {}
    for cell, elite in grid.shown():
        place = (cell[0] // across, cell[1])
        if place not in cells or elite.key() < cells[place].key():
            cells[place] = elite
    return cells


def _edge(measure: Measure, index: int) -> str:
    """Give the lower edge of a bin."""
    lower, upper = measure.range
    return f"{lower + (upper - lower) * index / measure.bins:.4g}"


def _x_axis(measure: Measure, columns: int, width: int, across: int) -> Text:
    """Write lower edges under their columns, as many as there is room for, and the last edge."""
    room = columns * width
    last = _edge(measure, measure.bins)
    line, taken = [" "] * (room + len(last)), -1
    line[room:] = last
    for column in range(columns):
        label, start = _edge(measure, column * across), column * width
        if start > taken and start + len(label) < room:
            line[start : start + len(label)] = label
            taken = start + len(label)
    return Text(" " * (LABEL_WIDTH + 1) + "".join(line))
