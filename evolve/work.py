"""The walk of one step: written, screened, recognised, run behind the wall, graded.

What the step's row already has is skipped, so a walk cut off anywhere goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from archive import queries
from archive.errors import BoundReached
from archive.records import Evaluation, Kind, Status, Step
from archive.rows import text
from evolve.calls import Calls, CallsStopped
from evolve.desk import JournaledDesk
from evolve.errors import EvolveError, Unparsable, Unwritten
from evolve.executor import (
    UNSOUND,
    Drafted,
    Executor,
    Probed,
    Ran,
    Slot,
    SlotLost,
    evaluation_of,
)
from evolve.operators.base import Written
from evolve.program import count_nodes, program_id
from evolve.run import BLOCK, STAGE, Assignment, Run
from evolve.screen import screen

# Outputs wait in the slot that made them; if it is lost before they are graded, they are made
# again, so many times.
MAX_LOST_SLOTS = 2
# Drafts of one program ask the same thing each time; so many answers are kept at hand.
MAX_DRAFTS = 256
# Statuses that are this program's own fault, on any machine: they may be served to others.
SERVED = {"ok": Status.OK, "invalid": Status.INVALID, "crashed": Status.CRASHED}


class Stopped(EvolveError):
    """The run is stopping: nothing new is started. The step waits for `evolve resume`."""


@dataclass(frozen=True)
class _Flight:
    """Work under way that others wait for instead of doing it too."""

    landed: asyncio.Event


class Worker:
    """Does the work of steps, many at a time; slots are lent to the lowest step first."""

    def __init__(self, run: Run, executor: Executor, calls: Calls | None = None) -> None:
        self.run, self.executor, self.calls = run, executor, calls
        self.stopping = False
        self.bound: str | None = None
        self._block: dict[str, Any] = {
            "task": run.task.digest,
            "world": run.record.world,
            "stage": STAGE,
            "block": BLOCK,
        }
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._drafts: dict[tuple[str, str], Any] = {}
        self._records: dict[str, bytes | None] = {}

    async def prepare(self) -> None:
        """Find out, before the first step of a run, how its task groups the instances."""
        if not self.run.is_described:
            async with self.executor.slot(0) as slot:
                self.run.describe(await slot.describe(STAGE, BLOCK))

    @property
    def calls_in_flight(self) -> int:
        return self.calls.in_flight if self.calls is not None else 0

    def stop(self) -> None:
        """Start nothing new: what waits for a slot or a call is left, what runs may end."""
        self.stopping = True
        if self.calls is not None:
            self.calls.stop()

    async def work(self, assignment: Assignment) -> None:
        """Bring a step to where it can be told. Raises: Stopped; WorldError; TaskError."""
        try:
            step = await self._write(assignment)
        except CallsStopped as error:
            raise Stopped("stopping: what waits for a call is left for `evolve resume`") from error
        except BoundReached as reached:
            # Nothing more can be asked of any model: what is under way ends, and then the run.
            self.bound = reached.bound
            assert self.calls is not None
            self.calls.stop()
            raise Stopped(str(reached)) from reached
        evaluation = None
        if step.status is None and assignment.snapshot.program(step.program or "") is None:
            step, evaluation = await self._evaluate(step)
        # A program that the snapshot knows needs no process: tell will find the step it equals.
        self.run.finish(self._with_cost(step), evaluation)

    def _with_cost(self, step: Step) -> Step:
        """Add what a step's calls cost; those whose bill nobody knows are the run's alone."""
        if step.model is None:
            return step
        costs = queries.costs(self.run.archive, self.run.record.id, step.n)
        priced = [usd for usd, _ in costs if usd is not None]
        usd = sum(priced) if len(priced) == len(costs) else None
        return replace(step, usd=usd, tokens=sum(tokens for _, tokens in costs))

    # --- write ---

    async def _write(self, assignment: Assignment) -> Step:
        step = assignment.step
        if step.source is not None or step.status is not None:
            return step
        try:
            source, idea = await self._written(assignment)
        except Unwritten as error:
            return self._refused(step, Status.UNWRITTEN, str(error))
        step = replace(step, source=source, idea=idea)
        try:
            screen(source, self.run.task.spec)
            identity, nodes = program_id(source), count_nodes(source)
        except Unparsable as error:
            return self._refused(step, Status.INVALID, str(error))
        self.run.journal.written(step.n, source=source, program=identity, nodes=nodes, idea=idea)
        return replace(step, program=identity)

    async def _written(self, assignment: Assignment) -> Written:
        step = assignment.step
        if step.kind is Kind.INITIAL:
            return Written(self.run.initial[step.n][1])
        desk = self._desk(assignment)
        try:
            return await self.run.operators[step.operator].write(desk)
        except (RecursionError, OverflowError, ValueError) as error:
            # Parents are candidates' text: one that no edit can handle must not end the run.
            raise Unwritten(
                f"the operator failed on it: {type(error).__name__}: {error}"
            ) from error

    def _desk(self, assignment: Assignment) -> JournaledDesk:
        return JournaledDesk(self.run, assignment, _Drafter(self, assignment.n), self.calls)

    def _refused(self, step: Step, status: Status, reason: str) -> Step:
        reason = text(reason) or ""  # as a row has it: later prompts may tell it
        self.run.journal.written(
            step.n, source=step.source, status=status, reason=reason, idea=step.idea
        )
        return replace(step, status=status, reason=reason)

    async def draft(self, priority: int, source: str, observe: str) -> Any:
        """Give what a draft observed; the same draft is run once, by the first who asks."""
        key = (source, observe)
        while key not in self._drafts:
            if (flight := self._flights.get(key)) is not None:
                await flight.landed.wait()
                continue
            with self._holding(*key):
                drafted = await self._draft(priority, source, observe)
                if len(self._drafts) >= MAX_DRAFTS:
                    del self._drafts[next(iter(self._drafts))]
                self._drafts[key] = drafted.value
        return self._drafts[key]

    async def _draft(self, priority: int, source: str, observe: str) -> Drafted:
        async with self.lent(priority) as slot:
            drafted = await slot.draft(source, observe)
        if drafted.status in UNSOUND:  # what is written must not depend on other load
            async with self.lent(priority, alone=True) as slot:
                drafted = await slot.draft(source, observe)
        return drafted

    # --- run and grade ---

    async def _evaluate(self, step: Step) -> tuple[Step, Evaluation | None]:
        """Find what is known of the step's program, or find it out; one holder per program."""
        assert step.program is not None
        program = step.program
        key, lost, alone = ("program", program), 0, False
        while True:
            step = await self._recognised(step)
            known = self._known(step)
            if known is not None:
                return known
            if (flight := self._flights.get(key)) is not None:
                await flight.landed.wait()
                continue
            try:
                # The key is taken with a slot in hand: who waits holds nothing others wait for.
                async with self.lent(step.n, alone) as slot:
                    if key not in self._flights and self._find_program(program) is None:
                        with self._holding(*key):
                            return await self._run_and_grade(step, slot, alone)
            except _NeedsQuiet:
                alone = True
            except SlotLost:
                lost += 1
                if lost > MAX_LOST_SLOTS:
                    raise

    async def _recognised(self, step: Step) -> Step:
        """Find the functional hash of a program that will not be run here, since it is known.

        Where models write, it tells them what is a duplicate: no archive may know more of a run's
        own steps than another.
        """
        if step.ran is not None or not self.run.means.models or step.program is None:
            return step
        if step.behaviour is not None or self._find_program(step.program) is None:
            return step
        record = self.run.record
        behaviour, kept = self._behaviour_of(step, record.task, record.world), None
        if behaviour is None:
            assert step.source is not None
            async with self.lent(step.n) as slot:
                probed = await slot.probe(step.source)
            behaviour, kept = probed.behaviour, probed.record
        if behaviour is not None:
            self._records[behaviour] = kept
        return replace(step, behaviour=behaviour)

    def _behaviour_of(self, step: Step, task: str, world: str) -> str | None:
        assert step.program is not None
        return queries.behaviour_of(self.run.archive, task=task, world=world, program=step.program)

    def _known(self, step: Step) -> tuple[Step, Evaluation | None] | None:
        """Take what the archive knows: this step's own verdict, or any run's evaluation."""
        if step.ran is not None and step.ran["status"] not in SERVED:
            return step, None
        assert step.program is not None
        found = self._find_program(step.program)
        if found is None:
            return None
        if step.ran is None:
            facts = {"status": found.status.value, "reason": found.reason, "served": True}
            behaviour = step.behaviour and (step.behaviour, self._records.pop(step.behaviour, None))
            self.run.journal.ran(
                step.n, facts, outputs_digest=found.outputs_digest, behaviour=behaviour or None
            )
            step = replace(step, ran=facts, outputs_digest=found.outputs_digest)
        return self._kept(step, found, graded=False)

    async def _run_and_grade(
        self, step: Step, slot: Slot, alone: bool
    ) -> tuple[Step, Evaluation | None]:
        assert step.source is not None
        probed = await slot.probe(step.source)
        ran = await slot.run(step.source, STAGE, BLOCK)
        if ran.status in UNSOUND and not alone:
            raise _NeedsQuiet
        if step.ran is not None and step.outputs_digest != ran.outputs_digest:
            reason = "not repeatable: it was run twice and gave different outputs"
            return replace(step, status=Status.INVALID, reason=reason), None
        step = self._keep_ran(step, ran, probed)
        if ran.status in UNSOUND:
            return step, None
        if ran.outputs_digest is None or ran.token is None:
            quality = {"status": SERVED[ran.status], "reason": ran.reason}
            return self._kept(step, self._evaluation(step, ran, quality), graded=False)
        return await self._grade(step, ran, slot)

    async def _grade(self, step: Step, ran: Ran, slot: Slot) -> tuple[Step, Evaluation | None]:
        """Grade outputs, or take the grade of equal outputs; one holder per outputs digest."""
        assert ran.outputs_digest is not None
        assert ran.token is not None
        # Without sharing, each step grades for itself: nobody waits for anybody.
        key = ran.outputs_digest if self.run.settings.share_grades else str(step.n)
        while self.run.settings.share_grades:
            twin = self._find_outputs(ran.outputs_digest)
            if twin is not None:
                return self._kept(step, self._evaluation(step, ran, _quality(twin)), graded=False)
            flight = self._flights.get(("digest", key))
            if flight is None:
                break
            # Its holder has a slot in hand and waits for nobody, so this ends.
            await flight.landed.wait()
        with self._holding("digest", key):
            quality = await slot.grade(ran.token)
            quality["status"] = Status(quality["status"])
            return self._kept(step, self._evaluation(step, ran, quality), graded=True)

    def _find_program(self, program: str) -> Evaluation | None:
        return queries.find_evaluation(
            self.run.archive, **self._block, program=program, levels=self.executor.levels
        )

    def _find_outputs(self, outputs_digest: str) -> Evaluation | None:
        return queries.find_digest(
            self.run.archive,
            **self._block,
            outputs_digest=outputs_digest,
            levels=self.executor.levels,
        )

    def _keep_ran(self, step: Step, ran: Ran, probed: Probed) -> Step:
        behaviour = self._kept_behaviour(step, probed)
        facts = self._facts(step, ran)
        self.run.journal.ran(step.n, facts, outputs_digest=ran.outputs_digest, behaviour=behaviour)
        return replace(
            step,
            ran=facts,
            outputs_digest=ran.outputs_digest,
            behaviour=behaviour[0] if behaviour else None,
        )

    def _kept_behaviour(self, step: Step, probed: Probed) -> tuple[str, bytes | None] | None:
        """Give what the step keeps of its probes; a replay takes what was kept then."""
        return None if probed.behaviour is None else (probed.behaviour, probed.record)

    def _facts(self, step: Step, ran: Ran) -> Mapping[str, Any]:
        """Give what the step keeps of running; a replay takes what was kept then."""
        return ran.facts()

    def _kept(self, step: Step, evaluation: Evaluation, *, graded: bool) -> tuple[Step, Evaluation]:
        """Write an evaluation; the row that stands is the one to believe."""
        standing = self.run.journal.evaluated(step.n, evaluation, graded=graded)
        return replace(step, evaluation=standing.id), standing

    def _evaluation(self, step: Step, ran: Ran, quality: Mapping[str, Any]) -> Evaluation:
        assert step.program is not None
        return evaluation_of(ran, quality, **self._block, program=step.program)

    # --- slots and holders ---

    @asynccontextmanager
    async def lent(self, priority: int, alone: bool = False) -> AsyncIterator[Slot]:
        """Lend a slot to a step. Raises: Stopped."""
        executor = self.executor
        async with executor.alone() if alone else executor.slot(priority) as slot:
            self._raise_if_stopping()
            yield slot

    def _raise_if_stopping(self) -> None:
        if self.stopping:
            raise Stopped("stopping: what waits for a slot is left for `evolve resume`")

    def _holding(self, kind: str, key: str) -> _Holding:
        return _Holding(self._flights, (kind, key))


@dataclass(frozen=True)
class _Drafter:
    """Runs what the operator of one step wants to know of a program."""

    worker: Worker
    step: int

    async def draft(self, source: str, observe: str) -> Any:
        return await self.worker.draft(self.step, source, observe)

    async def behaviour(self, source: str) -> str | None:
        async with self.worker.lent(self.step) as slot:
            return (await slot.probe(source)).behaviour


class _NeedsQuiet(Exception):
    """A time-out or a broken limit on a busy machine says little: run again, alone."""


class _Holding:
    """Holds a key while its work is under way; whoever waits for it looks again afterwards."""

    def __init__(self, flights: dict[tuple[str, str], _Flight], key: tuple[str, str]) -> None:
        self._flights, self._key = flights, key

    def __enter__(self) -> None:
        self._flights[self._key] = _Flight(asyncio.Event())

    def __exit__(self, *_: object) -> None:
        self._flights.pop(self._key).landed.set()


def _quality(twin: Evaluation) -> dict[str, Any]:
    """Give the fields of an evaluation that equal outputs share."""
    return {
        "status": twin.status,
        "reason": twin.reason,
        "fitness": twin.fitness,
        "n": twin.n,
        "se": twin.se,
        "scores": twin.scores,
        "measures": twin.measures,
        "feedback": twin.feedback,
    }
