"""The work of a migrate step: an elite of another island of the same search is taken over.

Islands are runs of one archive, on whatever machines, that stand in a ring: each takes from the one
before it. A migrate step waits until that run has told as many steps as this one had told when the
step was asked, and sees no later ones. So equal rng_seeds give equal islands, however fast each is.
Nobody waits in a circle: who is waited for has told fewer steps than who waits.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import numpy as np

from archive import queries
from archive.errors import Misnamed
from archive.records import Migrant, RunRecord, Status, Step
from evolve.errors import WorldError
from evolve.program import count_nodes, program_id
from evolve.run import Assignment, Run
from evolve.slots import Slots

# How often the other island is asked how far it is.
LOOK_EVERY_S = 0.5
# A run that waits for one that nobody works on gives up after so long; all is kept.
NOBODY_S = 600.0
# What is taken was found within the last so many migrations: older elites have had their chance.
WINDOW = 4
# So often the best of these is taken, else any of them: one island must not flood all.
BEST_SHARE = 0.5
FINISHED = ("steps", "evaluations")
# Between step and run where a migrate step says whence its program came.
OF = " of "


def pick(migrants: list[Migrant], rng: np.random.Generator) -> Migrant | None:
    """Choose one: half of the time the best, of equal ones the earliest, else any."""
    if not migrants:
        return None
    if rng.random() < BEST_SHARE:
        return max(migrants, key=lambda each: (each.fitness, -each.step))
    return migrants[rng.integers(len(migrants))]


class Migrator:
    """Takes programs over for one run, which is an island of a search."""

    def __init__(self, run: Run, slots: Slots) -> None:
        self._run, self._slots = run, slots

    async def migrate(self, assignment: Assignment) -> Step:
        """Write down what a migrate step takes over, or that there is nothing new."""
        step = assignment.step
        if step.source is not None or step.status is not None:
            return step
        source = await self._awaited(step.asked_after)
        first = step.asked_after - WINDOW * self._run.settings.migrate
        found = queries.migrants(
            self._run.archive, source.id, first=max(first, 0), before=step.asked_after
        )
        new = [each for each in found if assignment.snapshot.program(each.program) is None]
        migrant = pick(new, assignment.rng("migrate"))
        if migrant is None:
            after = f"when it had told {step.asked_after} steps"
            return self.keep_nothing(step, f"{source.name} had nothing new {after}")
        return self.keep(step, migrant.source, f"step {migrant.step}{OF}{source.name}")

    def keep(self, step: Step, source: str, idea: str | None) -> Step:
        """Write down what was taken over, and from where."""
        program, nodes = program_id(source), count_nodes(source)
        self._run.journal.written(step.n, source=source, program=program, nodes=nodes, idea=idea)
        return replace(step, source=source, program=program, idea=idea)

    def keep_nothing(self, step: Step, reason: str) -> Step:
        """Write down why nothing was taken over."""
        self._run.journal.written(step.n, source=None, status=Status.UNWRITTEN, reason=reason)
        return replace(step, status=Status.UNWRITTEN, reason=reason)

    async def _awaited(self, told: int) -> RunRecord:
        """Wait until the island before this one has told so many steps, or is finished.

        Raises: WorldError if nobody works on it for long; Stopped.
        """
        name = self._run.neighbour
        alive = time.monotonic()
        try:
            while True:
                found = self._find(name)
                if found is not None and (found.told >= told or self._is_final(found)):
                    return found
                if found is not None and self._run.archive.writer(found) is not None:
                    alive = time.monotonic()
                elif time.monotonic() - alive > NOBODY_S:
                    raise WorldError(_nobody(name, found, told))
                self._run.waits_for = f"{name} to tell step {told}"
                await asyncio.sleep(LOOK_EVERY_S)
                self._slots.raise_if_stopping()
        finally:
            self._run.waits_for = None

    def _is_final(self, found: RunRecord) -> bool:
        """Tell whether an island is at its end: not at one that this run has been taken beyond."""
        if found.stop_reason not in FINISHED:
            return False
        theirs, ours = (run.limits.get(found.stop_reason) for run in (found, self._run.record))
        return theirs is None or ours is None or theirs >= ours

    def _find(self, name: str) -> RunRecord | None:
        try:
            found = self._run.archive.run(name)
        except Misnamed:  # it will begin later
            return None
        if found.task != self._run.record.task:
            raise WorldError(
                f"{name} searches another task, or with other settings: islands of one search must "
                "have the same"
            )
        return found


def origin_run(idea: str) -> str:
    """Give the run that a migrate step took from, by what `idea` says of it."""
    return idea.partition(OF)[2]


def _nobody(name: str, found: RunRecord | None, told: int) -> str:
    if found is None:
        return f"waited {NOBODY_S:g} s for {name}, an island of this search that was never begun"
    return (
        f"waited {NOBODY_S:g} s for {name} to tell step {told}: it has told {found.told}, and nobody "
        f"works on it; `evolve resume {name}` does"
    )
