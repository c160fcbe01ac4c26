"""The walk of one step: written, screened, and evaluated; or elites compared on a fresh block.

What the step's row already has is skipped, so a walk cut off anywhere goes on from there.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any

from archive import queries
from archive.errors import BoundReached
from archive.records import Evaluation, Kind, Status, Step
from archive.rows import text
from evolve.calls import Calls, CallsStopped
from evolve.confirmation import Confirmer
from evolve.desk import JournaledDesk
from evolve.errors import Unparsable, Unwritten
from evolve.evaluator import Evaluator
from evolve.executor import UNSOUND, Drafted, Executor, Slot
from evolve.flights import Flights
from evolve.grades import Grades
from evolve.likeness import Likeness
from evolve.memo import Memo
from evolve.migration import Migrator
from evolve.operators.base import Written
from evolve.program import count_nodes, program_id
from evolve.rejection import Reviewer
from evolve.run import BLOCK, STAGE, Assignment, Run
from evolve.screen import screen
from evolve.slots import Slots, Stopped

# Drafts of one program ask the same thing each time; so many answers are kept at hand.
MAX_DRAFTS = 256


class Worker:
    """Does the work of steps, many at a time; slots are lent to the lowest step first."""

    def __init__(
        self,
        run: Run,
        executor: Executor,
        calls: Calls | None = None,
        likeness: Likeness | None = None,
    ) -> None:
        self.run, self.executor, self.calls = run, executor, calls
        self.bound: str | None = None
        self.slots, self.flights = Slots(executor), Flights()
        memo = self._memo()
        parts = (memo, self.slots, self.flights, Grades(run, memo, self.slots, self.flights))
        reviewer = Reviewer(run, self._desk, likeness)
        self._evaluate = self._evaluator(*parts, reviewer)
        self._confirm = self._confirmer(*parts)
        self._migrator = self._migrator_of(run)
        self._drafts: dict[tuple[str, str], Any] = {}

    def _migrator_of(self, run: Run) -> Migrator:
        return Migrator(run, self.slots)

    def _memo(self) -> Memo:
        return Memo(self.run, self.executor.levels)

    def _evaluator(self, *parts: Any) -> Evaluator:
        return Evaluator(self.run, *parts)

    def _confirmer(self, *parts: Any) -> Confirmer:
        return Confirmer(self.run, *parts)

    async def prepare(self) -> None:
        """Find out, before the first step of a run, how its task groups the instances."""
        if not self.run.is_described and self.run.state.told == 0:
            self.run.describe(await self.slots.pure(0, lambda slot: slot.describe(STAGE, BLOCK)))

    @property
    def calls_in_flight(self) -> int:
        return self.calls.in_flight if self.calls is not None else 0

    def stop(self) -> None:
        """Start nothing new: what waits for a slot or a call is left, what runs may end."""
        self.slots.stopping = True
        if self.calls is not None:
            self.calls.stop()

    async def work(self, assignment: Assignment) -> None:
        """Bring a step to where it can be told. Raises: Stopped; WorldError; TaskError."""
        if assignment.step.kind is Kind.CONFIRM:
            step = await self._confirm.confirm(assignment.step, assignment.snapshot)
            self.run.finish(step, None)
            return
        try:
            step, evaluation = await self._walk(assignment)
        except CallsStopped as error:
            raise Stopped("stopping: what waits for a call is left for `evolve resume`") from error
        except BoundReached as reached:
            # Nothing more can be asked of any model: what is under way ends, and then the run.
            self.bound = reached.bound
            assert self.calls is not None
            self.calls.stop()
            raise Stopped(str(reached)) from reached
        self.run.finish(self._with_cost(step), evaluation)

    async def _walk(self, assignment: Assignment) -> tuple[Step, Evaluation | None]:
        """Have a step's program written, and evaluated if it is new."""
        step = await self._written_step(assignment)
        if step.status is not None or assignment.snapshot.program(step.program or "") is not None:
            # A program that the snapshot knows needs no process: tell will find the step it equals.
            return step, None
        return await self._evaluate.evaluate(step, assignment.snapshot)

    def _with_cost(self, step: Step) -> Step:
        """Add what a step's calls cost; those whose bill nobody knows are the run's alone."""
        if step.model is None:
            return step
        costs = queries.costs(self.run.archive, self.run.record.id, step.n)
        priced = [usd for usd, _ in costs if usd is not None]
        usd = sum(priced) if len(priced) == len(costs) else None
        return replace(step, usd=usd, tokens=sum(tokens for _, tokens in costs))

    # --- write ---

    async def _written_step(self, assignment: Assignment) -> Step:
        if assignment.step.kind is Kind.MIGRATE:
            return await self._migrator.migrate(assignment)
        return await self._write(assignment)

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
            if await self.flights.landing(key):
                continue
            with self.flights.holding(key):
                drafted = await self._draft(priority, source, observe)
                if len(self._drafts) >= MAX_DRAFTS:
                    del self._drafts[next(iter(self._drafts))]
                self._drafts[key] = drafted.value
        return self._drafts[key]

    async def _draft(self, priority: int, source: str, observe: str) -> Drafted:
        def draft(slot: Slot) -> Awaitable[Drafted]:
            return slot.draft(source, observe)

        drafted = await self.slots.pure(priority, draft)
        if drafted.status in UNSOUND:  # what is written must not depend on other load
            drafted = await self.slots.pure(priority, draft, alone=True)
        return drafted


@dataclass(frozen=True)
class _Drafter:
    """Runs what the operator of one step wants to know of a program."""

    worker: Worker
    step: int

    async def draft(self, source: str, observe: str) -> Any:
        return await self.worker.draft(self.step, source, observe)

    async def behaviour(self, source: str) -> str | None:
        probed = await self.worker.slots.pure(self.step, lambda slot: slot.probe(source))
        return probed.behaviour
