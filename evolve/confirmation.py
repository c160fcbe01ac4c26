"""The work of a confirm step: elites run and are graded on a fresh block, and are compared there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archive import queries
from archive.records import Evaluation, Status, Step
from evolve.belief import comparison
from evolve.executor import UNSOUND, DeviceLost, Ran, Slot, SlotLost
from evolve.flights import Flights
from evolve.grades import Grades
from evolve.memo import Memo, Subject, own_key
from evolve.run import Run
from evolve.slots import MAX_LOST_SLOTS, Slots
from evolve.state import State
from evolve.statistics import grouping

# The split whose blocks, from 1 on, are fresh: nothing was selected on them.
FRESH_STAGE = "valid"


class Confirmer:
    """Compares programs of one run on fresh blocks. Nothing is trusted here but equal outputs."""

    def __init__(
        self, run: Run, memo: Memo, slots: Slots, flights: Flights, grades: Grades
    ) -> None:
        self.run = run
        self._memo, self._slots, self._flights, self._grades = memo, slots, flights, grades

    async def confirm(self, step: Step, snapshot: State) -> Step:
        """Compare the programs of a confirm step on its block, and write down what was found."""
        if step.ran is not None:
            return step
        assert step.block is not None
        subjects = [self._subject(step, n, snapshot) for n in step.parents]
        found = [await self._fresh(subject) for subject in subjects]
        scores = [each.scores if each and each.status is Status.OK else None for each in found]
        facts = {
            "status": Status.OK.value,
            "compared": comparison(scores, await self._units(step.n, step.block)).plain(),
            # What would not come out again, as a clock's verdict: a replay takes it as it was.
            "by_machine": None in found or not all(subject.repeats for subject in subjects),
        }
        self.run.journal.ran(step.n, facts, outputs_digest=None)
        return replace(step, ran=facts)

    async def _fresh(self, subject: Subject) -> Evaluation | None:
        """Evaluate a program on a fresh block; None where a clock or a limit ended it."""
        key, alone, lost = (subject.program, subject.stage, str(subject.block)), False, 0
        while True:
            if (known := self._memo.find(subject)) is not None:
                return known
            if await self._flights.landing(key):
                continue
            try:
                async with self._slots.lent(subject.order, alone) as slot:
                    if key in self._flights:
                        continue
                    with self._flights.holding(key):
                        ran = await slot.run(subject.source, subject.stage, subject.block)
                        if ran.status not in UNSOUND and not subject.repeats:
                            return await self._graded_alone(ran, slot, subject)
                        if ran.status not in UNSOUND:
                            return await self._grades.quality(
                                ran, slot, subject, self._memo.keep_fresh
                            )
                if alone:
                    return None
                alone = True  # a second chance: such an end tells as much of the machine
            except DeviceLost:
                if alone:
                    return None
                alone = True
            except SlotLost:
                lost += 1
                if lost > MAX_LOST_SLOTS:
                    raise

    async def _graded_alone(self, ran: Ran, slot: Slot, subject: Subject) -> Evaluation:
        """Grade what does not repeat: its outputs are no key."""
        if ran.token is None:
            return self._memo.keep_fresh(self._grades.failure(ran, subject), 0)
        graded = await self._grades.graded(ran, slot, subject)
        return self._memo.keep_fresh(replace(graded, outputs_digest=None), 1)

    async def _units(self, order: int, block: int) -> Mapping[str, str]:
        """Give what the instances of a fresh block share with each other."""
        task = self.run.record.task
        kept = queries.block(self.run.archive, task=task, stage=FRESH_STAGE, block=block)
        if kept is None:
            kept = await self._slots.pure(order, lambda slot: slot.describe(FRESH_STAGE, block))
            self.run.describe_block(FRESH_STAGE, block, kept)
        return grouping(kept).units

    def _subject(self, step: Step, n: int, snapshot: State) -> Subject:
        told = snapshot.step(n)
        assert told is not None
        assert told.step.program is not None
        assert told.step.source is not None
        assert step.block is not None
        repeats = (told.step.ran or {}).get("determinism") != "none"
        program = told.step.program if repeats else own_key(self.run, told.step)
        return Subject(program, told.step.source, FRESH_STAGE, step.block, step.n, repeats)
