"""The hurdle at work: a program runs on the quick stage, and is judged there by its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

from archive.records import Evaluation, Kind, Step
from evolve.executor import Ran, Slot
from evolve.grades import Grades
from evolve.hurdle import (
    BY_CHANCE,
    CHANCE,
    HURDLE,
    QUICK_STAGE,
    STOPPED,
    hopeless,
    is_full,
    is_stopped,
    quick_names,
)
from evolve.memo import Memo, Subject
from evolve.randomness import step_rng
from evolve.run import Run
from evolve.state import State


class Judged(NamedTuple):
    """What the hurdle says of a program.

    facts: for its step, beside those of running. stopped: its evaluation on the quick stage, if it
    ends there. ran: how that ran, None where it was known.
    """

    facts: Mapping[str, Any]
    stopped: Evaluation | None = None
    ran: Ran | None = None


PASSED = Judged({})


class Hurdler:
    """Judges the programs of one run's search steps. Each sees its snapshot, and no clock.

    A task whose train block has fewer than eight independent units has no quick stage; where the
    probes decide everything, there is nothing to spare.
    """

    def __init__(self, run: Run, memo: Memo, grades: Grades) -> None:
        self._run, self._memo, self._grades = run, memo, grades

    def is_due(self, step: Step, snapshot: State) -> bool:
        """Tell whether a step's program has to pass; whatever any archive knows of it."""
        if not self._run.settings.hurdle or step.kind is not Kind.SEARCH or snapshot.hurdle.off:
            return False
        grid = snapshot.grid
        # Nobody can be hopeless while no cell is full.
        return self._has_quick_stage and any(is_full(grid, cell) for cell in grid.cells)

    async def judged(self, step: Step, snapshot: State, subject: Subject, slot: Slot) -> Judged:
        """Run a program on the quick stage where nobody knows it there yet, and judge it."""
        subject, ran = replace(subject, stage=QUICK_STAGE), None
        quick = self._memo.find(subject)
        if quick is None:
            ran = await slot.run(subject.source, subject.stage, subject.block)
            if ran.outputs_digest is None:
                return Judged({}, ran=ran)  # the whole block tells what goes wrong first
            quick = await self._grades.quality(ran, slot, subject, self._memo.keep_fresh)
        if step.ran is not None and is_stopped(step):
            return Judged(step.ran, quick)  # a killed process has said so
        verdict = hopeless(
            snapshot.grid, partial(_scores, snapshot), quick, self._run.briefing.grouping
        )
        if verdict is None:
            return PASSED
        if step_rng(self._run.record.rng_seed, step.n, "hurdle").random() < CHANCE:
            return Judged({HURDLE: BY_CHANCE})
        return Judged({HURDLE: STOPPED, "reason": str(verdict)}, quick, ran)

    @cached_property
    def _has_quick_stage(self) -> bool:
        spec, grouping = self._run.task.spec, self._run.briefing.grouping
        return spec.probes != "exact" and bool(quick_names(grouping))


def _scores(snapshot: State, n: int) -> Mapping[str, float]:
    """Give what an elite scored on the train block; {} where nobody told it."""
    told = snapshot.step(n)
    return told.evaluation.scores if told and told.evaluation else {}
