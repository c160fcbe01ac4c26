"""What the archive knows of programs on blocks, by whatever run: it saves work and decides nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from archive import queries
from archive.records import Evaluation, Step
from evolve.run import BLOCK, STAGE, Run


@dataclass(frozen=True)
class Subject:
    """A program to be evaluated on a block.

    order: the lowest waits shortest for a slot. repeats: whether equal outputs are to be expected of
    it again, so that they may be a key.
    """

    program: str
    source: str
    stage: str
    block: int
    order: int
    repeats: bool = True


def own_key(run: Run, step: Step) -> str:
    """Give a key of this step's alone: nobody may be served what would not come out again."""
    return f"{step.program}#{run.record.id}.{step.n}"


class Memo:
    """Finds and keeps evaluations for one run. levels: of the wall, that may be served."""

    def __init__(self, run: Run, levels: Collection[str]) -> None:
        self._run, self._levels = run, levels

    def find(self, subject: Subject) -> Evaluation | None:
        """Give what is known of a program on a block."""
        return queries.find_evaluation(
            self._run.archive,
            **self.block(subject.stage, subject.block),
            program=subject.program,
            levels=self._levels,
        )

    def find_outputs(self, subject: Subject, outputs_digest: str) -> Evaluation | None:
        """Give an evaluation of equal outputs: equal outputs, equal grades."""
        return queries.find_digest(
            self._run.archive,
            **self.block(subject.stage, subject.block),
            outputs_digest=outputs_digest,
            levels=self._levels,
        )

    def find_behaviour(self, behaviour: str) -> Evaluation | None:
        """Give an evaluation of a program with this functional hash, on the train block."""
        return queries.find_behaviour(
            self._run.archive,
            **self.block(STAGE, BLOCK),
            behaviour=behaviour,
            levels=self._levels,
        )

    def keep(self, step: Step, evaluation: Evaluation, *, graded: int) -> tuple[Step, Evaluation]:
        """Write a step's evaluation; the row that stands is the one to believe."""
        standing = self._run.journal.evaluated(step.n, evaluation, graded=graded)
        return replace(step, evaluation=standing.id), standing

    def keep_fresh(self, evaluation: Evaluation, graded: int) -> Evaluation:
        """Write an evaluation on a fresh block, which no step points at."""
        return self._run.journal.evaluated(None, evaluation, graded=graded)

    def block(self, stage: str, block: int) -> dict[str, Any]:
        """Give the columns that evaluations on one block have in common."""
        record = self._run.record
        return {"task": record.task, "world": record.world, "stage": stage, "block": block}

    def lease(self, what: str, subject: Subject, key: str) -> str:
        """Name a piece of work that no two processes should do."""
        where = self.block(subject.stage, subject.block).values()
        return ":".join((what, *map(str, where), key))
