"""How a program came to be: its line of first parents, and what each step of it changed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from archive import queries
from archive.records import Step
from archive.store import Archive
from evolve.hurdle import is_stopped


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One step of a main line.

    fitness: None if the step has none. gain: over the first parent's fitness, None for an initial
    program. added, removed: lines, against the first parent's source.
    """

    step: Step
    fitness: float | None
    gain: float | None
    added: int
    removed: int


def main_line(archive: Archive, run: int, n: int) -> list[Ancestor]:
    """Follow first parents from step n back to an initial program; give them oldest first."""
    line: list[Step] = []
    number: int | None = n
    while number is not None:
        step = queries.step(archive, run, number)
        assert step is not None, f"step {number} is a parent and has no row"
        line.append(step)
        number = step.parents[0] if step.parents else None
    ancestors: list[Ancestor] = []
    for step in reversed(line):
        ancestors.append(_after(archive, ancestors[-1] if ancestors else None, step))
    return ancestors


def unified_diff(before: str, after: str, names: tuple[str, str] = ("", "")) -> list[str]:
    """Give the lines of a unified diff, without line ends."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")
    return list(lines)


def diff_stat(diff: list[str]) -> tuple[int, int]:
    """Count the lines that a unified diff adds and removes."""
    changes = diff[2:]  # the first two lines name the files
    added = sum(line.startswith("+") for line in changes)
    return added, sum(line.startswith("-") for line in changes)


def _after(archive: Archive, parent: Ancestor | None, step: Step) -> Ancestor:
    fitness = gain = None
    if step.evaluation is not None and not is_stopped(step):
        fitness = queries.evaluation(archive, step.evaluation).fitness
    if parent is None:
        return Ancestor(step, fitness, None, 0, 0)
    if fitness is not None and parent.fitness is not None:
        gain = fitness - parent.fitness
    added, removed = diff_stat(unified_diff(parent.step.source or "", step.source or ""))
    return Ancestor(step, fitness, gain, added, removed)
