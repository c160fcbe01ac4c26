"""The hurdle: a program that is hopeless on a part of the train block does not run on the rest.

The part is the quick stage: half of the independent units of the block. What is worse there than
every elite of its cell would hardly get a place; a tenth of such programs runs in full all the same,
which measures what the hurdle costs, and ends it where it costs too much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from archive.records import Evaluation, Step
from evolve.grid import Cell, Grid, Placement
from evolve.statistics import (
    MIN_STANDARD_ERRORS,
    MIN_UNITS,
    Grouping,
    standard_error,
    unit_means,
)

# The stage whose evaluations are of a part of the train block, and so on another scale.
QUICK_STAGE = "quick"
# Under this key the facts of a step tell what the hurdle did with its program; nothing otherwise.
HURDLE = "hurdle"
STOPPED, BY_CHANCE = "stopped", "passed by chance"

# This part of the units is run first: enough of them to judge by, and as much is spared.
QUICK_SHARE = 0.5
# Of the hopeless, so many run in full all the same.
CHANCE = 0.1
# The hurdle ends where more of them than this part got a place in the grid, and at least so many:
# a single one may be luck.
MAX_WRONG_SHARE, MIN_WRONG = 0.1, 2


class Hopeless(NamedTuple):
    """Why a program need not go on. quick, whole: instances of the stage and of the train block."""

    elites: int
    quick: int
    whole: int

    def __str__(self) -> str:
        all_of = "the elite" if self.elites == 1 else f"all {self.elites} elites"
        return f"hopeless: after {self.quick} of {self.whole} instances worse than {all_of} of its cell"


def hopeless(
    grid: Grid,
    scores_of: Callable[[int], Mapping[str, float]],
    quick: Evaluation,
    grouping: Grouping,
) -> Hopeless | None:
    """Tell whether a program is hopeless by its evaluation on the quick stage; None if not.

    It is if its cell is full, and it is worse than every elite there by two standard errors of their
    paired difference over independent units. The cells around are not asked: of 135 programs of a
    search on data_selection 26 had another cell on the whole block, but none of the 9 that are
    hopeless by this rule got a place anywhere, and one is by that of all cells around.
    scores_of: the scores of an elite on the train block, {instance: score}, by its step.
    """
    if not quick.scores:
        return None
    cell, _ = grid.locate(quick.measures)
    if not is_full(grid, cell):
        return None
    elites = grid.cells[cell]
    if not all(_is_worse(quick.scores, scores_of(elite.step), grouping) for elite in elites):
        return None
    return Hopeless(len(elites), len(quick.scores), len(grouping.subgroups))


def is_full(grid: Grid, cell: Cell) -> bool:
    """Tell whether a cell keeps as many elites as it may."""
    return len(grid.cells.get(cell, ())) >= grid.depth


def _is_worse(
    scores: Mapping[str, float], reference: Mapping[str, float], grouping: Grouping
) -> bool:
    if not scores.keys() <= reference.keys():
        return False  # of an elite that was told without its scores nothing can be said
    differences = {name: score - reference[name] for name, score in scores.items()}
    independent = unit_means(differences, grouping.units)
    mean, error = float(independent.mean()), standard_error(independent)
    return mean < 0.0 and error is not None and -mean >= MIN_STANDARD_ERRORS * error


@dataclass(frozen=True, slots=True)
class HurdleRecord:
    """What the hurdle has done in a run, by its told steps.

    stopped: programs that ended at the quick stage. passed: hopeless ones that ran in full by
    chance; wrong: those of them that got a place in the grid.
    """

    stopped: int = 0
    passed: int = 0
    wrong: int = 0

    @property
    def off(self) -> bool:
        """Whether it has cost too many places: then nothing is stopped for the rest of the run."""
        return self.wrong >= MIN_WRONG and self.wrong > MAX_WRONG_SHARE * self.passed

    def told(self, fact: str | None, placement: str | None) -> HurdleRecord:
        """Count a told step. fact: what its facts have under HURDLE. placement: its name."""
        if fact == STOPPED:
            return HurdleRecord(self.stopped + 1, self.passed, self.wrong)
        if fact == BY_CHANCE:
            wrong = placement in (Placement.NEW.name, Placement.IMPROVED.name)
            return HurdleRecord(self.stopped, self.passed + 1, self.wrong + wrong)
        return self


def is_stopped(step: Step) -> bool:
    """Tell whether a step's program ended at the quick stage: what its scores say is of a part."""
    return step.ran is not None and step.ran.get(HURDLE) == STOPPED


def quick_names(grouping: Grouping) -> tuple[str, ...]:
    """Choose the instances of the quick stage, in the order of the block; () where it has too few.

    grouping: of all instances of the train block. Half of its units are chosen, those first that
    show a subgroup which no chosen one shows, then the first of the others; at least four.
    """
    labels: dict[tuple[str, str], set[str]] = {}  # of each unit, in the order of the block
    for name, shown in grouping.subgroups.items():
        labels.setdefault(_unit(name, grouping), set()).update(shown)
    number = int(QUICK_SHARE * len(labels))
    if number < MIN_UNITS:
        return ()
    chosen = _spread(labels, number)
    return tuple(name for name in grouping.subgroups if _unit(name, grouping) in chosen)


def _spread(labels: Mapping[tuple[str, str], set[str]], number: int) -> set[tuple[str, str]]:
    """Choose so many units that show as many subgroups as a greedy choice can."""
    chosen: list[tuple[str, str]] = []
    seen: set[str] = set()
    for _ in range(number):
        # Of equals `max` gives the first in the order of the block.
        unit = max(
            (each for each in labels if each not in chosen), key=lambda u: _new(u, labels, seen)
        )
        chosen.append(unit)
        seen |= labels[unit]
    return set(chosen)


def _new(unit: tuple[str, str], labels: Mapping[tuple[str, str], set[str]], seen: set[str]) -> int:
    return len(labels[unit] - seen)


def _unit(name: str, grouping: Grouping) -> tuple[str, str]:
    """Give what an instance shares with others; one that shares nothing is a unit of its own."""
    return ("unit", grouping.units[name]) if name in grouping.units else ("instance", name)
