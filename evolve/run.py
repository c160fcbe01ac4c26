"""One search as an ask/tell object: it hands out steps, takes results, and tells them in order.

Its state is a fold over told rows. Nothing is believed before the archive has it; opening a run
again after any kill is the same fold, and goes on as if nothing had happened.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Any, NoReturn

import numpy as np

from archive import queries
from archive.journal import SERVED, Journal
from archive.records import Evaluation, Kind, RunRecord, Step
from archive.store import Archive
from evolve import checkpoint
from evolve.belief import comparison
from evolve.briefing import Briefing, briefing_of
from evolve.config import ModelSettings, RunLimits, SearchSettings
from evolve.confirming import challenge
from evolve.errors import UsageError
from evolve.folding import fold
from evolve.grid import Grid
from evolve.history import History, Told
from evolve.loader import Task
from evolve.operators.base import Operator, ParentProgram
from evolve.program import count_nodes, program_id
from evolve.randomness import step_rng
from evolve.selection import Means, ask
from evolve.state import Rules, State
from evolve.statistics import grouping
from evolve.telling import rows_of, tell
from evolve.totals import run_totals
from evolve.under_way import UnderWay

STAGE = "train"
BLOCK = 0


def own_stage(record: RunRecord) -> str:
    """Give the name under which a run keeps how the instances of its train block are grouped."""
    return f"{STAGE}#{record.id}"


@dataclass(frozen=True)
class Assignment:
    """A step to be worked on, and the snapshot that its work may see.

    step: its row so far; what the row already has need not be done again.
    """

    step: Step
    snapshot: State
    rng_seed: int

    @property
    def n(self) -> int:
        return self.step.n

    @property
    def parents(self) -> tuple[ParentProgram, ...]:
        """The parents as the snapshot knows them, the one to change first."""
        return tuple(_parent(self.snapshot, n) for n in self.step.parents)

    def rng(self, purpose: str) -> np.random.Generator:
        """Give the generator of one purpose of this step."""
        return step_rng(self.rng_seed, self.n, purpose)


class Run:
    """A search that is open for writing; made by `evolve.open_run` and `evolve.resume_run`.

    Laws: `ask` hands every step out once, lowest first; tells happen in the order of numbers
    (order "step") or as steps finish ("arrival"), each in one transaction with all that follows
    from it; limits on steps and evaluations are counted at tell, so any number of workers ends at
    the same step.
    """

    # What a bound on calls refused, told when the run ends.
    refused: str | None = None
    # What another island has to do before a migrate step can go on.
    waits_for: str | None = None
    # Of a replay: steps that its recording asked and did not tell. They were company then.
    absent: Sequence[Step] = ()

    def __init__(
        self,
        task: Task,
        archive: Archive,
        journal: Journal,
        operators: Mapping[str, Operator],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        record = journal.run
        self.task, self.archive, self.journal = task, archive, journal
        self.settings = SearchSettings.of(record.settings)
        self.model_settings = ModelSettings.model_validate(record.settings.get("model", {}))
        self.operators = operators
        self.means = Means(
            operators,
            record.settings.get("models", ()),
            self.settings.parents,
            self.settings.credit == "bandit",
        )
        self.limits = RunLimits(**record.limits)
        self.initial: list[tuple[str, str]] = [(n, s) for n, s in record.settings["initial"]]
        self._clock, self._opened, self._seconds_before = clock, clock(), record.seconds
        self._open: dict[int, Step] = {}
        self._under_way = UnderWay()
        # Numbers of open steps: those that wait to be handed out, and all, of which the lowest is
        # wanted. What is told meanwhile is passed over when it comes up.
        self._waiting: list[int] = []
        self._lowest: list[int] = []
        self._handed_out: set[int] = set()
        self._finished: dict[int, Evaluation | None] = {}
        self._snapshots: dict[int, State] = {}
        # How many open steps were asked from each of these.
        self._askers: Counter[int] = Counter()
        self.briefing = self._briefing()
        self.state = self._fold()
        # What was told in numbers; nothing is decided by them.
        self.totals = run_totals(archive, record)

    @property
    def record(self) -> RunRecord:
        return self.journal.run

    @property
    def seconds(self) -> float:
        """Seconds of this run, all sittings together."""
        return self._seconds_before + self._clock() - self._opened

    @property
    def over(self) -> str | None:
        """Which limit has ended the run; None while there is more to do."""
        if self.limits.steps is not None and self.state.told >= self.limits.steps:
            return "steps"
        if (
            self.limits.evaluations is not None
            and self.state.evaluations >= self.limits.evaluations
        ):
            return "evaluations"
        return None

    @property
    def out_of_time(self) -> bool:
        return self.seconds_left is not None and self.seconds_left <= 0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the limit on hours; None where there is none."""
        return None if self.limits.hours is None else self.limits.hours * 3600 - self.seconds

    @property
    def neighbour(self) -> str:
        """The island that migrate steps take from: the one before this one in the ring."""
        ring = self.settings.islands
        return ring[ring.index(self.record.name) - 1]

    @property
    def is_described(self) -> bool:
        """Whether it is known how the instances of the block belong together."""
        return self._instances() is not None

    def describe(self, instances: Sequence[Mapping[str, Any]]) -> None:
        """Take how the task groups the instances of the block, as a slot describes them.

        To be told before the first step, since parents are paired by it.
        """
        self.describe_block(STAGE, BLOCK, instances)
        # And for this run alone: what others describe later must not change what it was told.
        self.describe_block(self._own_stage, BLOCK, instances)
        self.briefing = self._briefing()
        # Nothing is told before: the one state there is learns it too.
        self.state = replace(self.state, rules=self._rules())
        self._snapshots = {k: replace(s, rules=self._rules()) for k, s in self._snapshots.items()}

    def describe_block(
        self, stage: str, block: int, instances: Sequence[Mapping[str, Any]]
    ) -> None:
        """Keep how the task groups the instances of any block."""
        kept = [{key: each[key] for key in ("name", "groups", "unit")} for each in instances]
        self.journal.describe(stage, block, kept)

    def ask(self) -> Assignment | None:
        """Hand out the lowest step that waits; None when none does (tell first, or `over`)."""
        while self._waiting and self._waiting[0] not in self._open:
            heappop(self._waiting)
        if not self._waiting or self.over or self._enough:
            return None
        step = self._open[heappop(self._waiting)]
        self._handed_out.add(step.n)
        return Assignment(step, self._snapshots[step.asked_after], self.record.rng_seed)

    def tell(self, assignment: Assignment, program: str, evaluation: Evaluation) -> list[Step]:
        """Give in a program and its evaluation, made by whatever means.

        program: source. evaluation: of it on the train block; its task, world and program are
        filled in. Gives the steps that were told, this one or others that waited for it.
        Raises: Unparsable, with nothing written, if Python cannot read the program; UsageError for
        a step that makes no program.
        """
        if assignment.step.kind is Kind.CONFIRM:
            raise UsageError(
                f"step {assignment.n} makes no program, it compares {len(assignment.parents)} on "
                f"block {assignment.step.block} of valid: give in their scores by tell_compared, or "
                "begin the run with search.confirm=0"
            )
        n, facts = assignment.n, {"status": evaluation.status.value, "reason": evaluation.reason}
        identity = program_id(program)
        self.journal.written(n, source=program, program=identity, nodes=count_nodes(program))
        self.journal.ran(n, facts, outputs_digest=evaluation.outputs_digest)
        step = replace(
            assignment.step,
            source=program,
            program=identity,
            ran=facts,
            outputs_digest=evaluation.outputs_digest,
        )
        if evaluation.status not in SERVED:
            self.finish(step, None)
            return self.tell_ready()
        evaluation = replace(
            evaluation,
            task=self.task.digest,
            world=self.record.world,
            stage=STAGE,
            block=BLOCK,
            program=identity,
        )
        graded = int(evaluation.outputs_digest is not None)
        kept = self.journal.evaluated(n, evaluation, graded=graded)
        self.finish(replace(step, evaluation=kept.id), kept)
        return self.tell_ready()

    def tell_compared(
        self,
        assignment: Assignment,
        scores: Sequence[Mapping[str, float] | None],
        units: Mapping[str, str] | None = None,
    ) -> list[Step]:
        """Give in what the programs of a confirm step scored on its fresh block.

        scores: {instance: score} of each of `assignment.parents`, all on the same instances; None
        for one that failed there. units: {instance: what it shares with others} of that block, none
        unless told. Gives the steps that were told. Raises: UsageError for scores that cannot be
        compared.
        """
        if len({frozenset(each) for each in scores if each is not None} | {frozenset()}) > 2:
            raise UsageError("scores of other instances cannot be compared with each other")
        if any(each is not None and not each for each in scores):
            raise UsageError("no scores: give None for a program that failed on the block")
        found = comparison(scores, units or {})
        facts = {"status": "ok", "compared": found.plain(), "by_machine": False}
        self.journal.ran(assignment.n, facts, outputs_digest=None)
        self.finish(replace(assignment.step, ran=facts), None)
        return self.tell_ready()

    def finish(self, step: Step, evaluation: Evaluation | None) -> None:
        """Take a step whose row is complete; it is told when its turn comes."""
        self._open[step.n] = step
        self._finished[step.n] = evaluation

    def tell_ready(self) -> list[Step]:
        """Tell every finished step whose turn has come; give them as told."""
        told = []
        while not self.over and (n := self._next()) is not None:
            told.append(self._tell(n))
        return told

    def give_back(self, n: int) -> None:
        """Let a step that was handed out and not finished be handed out again."""
        if n in self._handed_out:
            self._handed_out.remove(n)
            heappush(self._waiting, n)

    def close(self, stop_reason: str, why: str | None = None) -> None:
        """Write down why the run stopped, and let it go. why: what was told if it failed."""
        with self.journal:
            try:
                if self.state.confirms:  # the rows of elites may be some confirm steps behind
                    self.journal.revalue(self.state.told, rows_of(self.state.grid))
            finally:
                self.journal.finish(stop_reason, self.seconds, why)

    @property
    def _enough(self) -> bool:
        """Whether the steps at work already reach the limit: more could never be told."""
        limit = self.limits.steps
        return limit is not None and self.state.told + len(self._handed_out) >= limit

    # --- telling ---

    def _next(self) -> int | None:
        """Give the step to tell next: the lowest number, or in arrival order the first finished."""
        if self.settings.order == "arrival":
            return next(iter(self._finished), None)
        while self._lowest and self._lowest[0] not in self._open:
            heappop(self._lowest)
        return next((n for n in self._lowest[:1] if n in self._finished), None)

    def _tell(self, n: int) -> Step:
        if checkpoint.is_due(self.state):
            checkpoint.keep(self.journal, self.state)
        step, evaluation = self._open[n], self._finished[n]
        nodes = count_nodes(step.source) if step.program and step.source else 0
        verdict = tell(self.state, step, evaluation, nodes)
        self._accept(verdict.step, evaluation)
        totals = self.totals.after(
            Told(verdict.step, evaluation, nodes),
            verdict.state.history,
            shares_grades=self.settings.share_grades,
        )
        try:
            self._under_way.remove(n)
            asks = self._due_steps(verdict.state, self._under_way, known={})
            self.journal.tell(
                verdict.step,
                elites=verdict.cells,
                asks=asks,
                seconds=self.seconds,
                totals=totals.plain(),
                taught=verdict.state.calibration.plain() if step.kind is Kind.CONFIRM else None,
            )
        except BaseException:  # nothing was told: it may be told again
            self._under_way = UnderWay(self._open.values())
            raise
        # The archive first: only now does this process believe it.
        before, self.state, self.totals = self.state, verdict.state, totals
        del self._open[n], self._finished[n]
        self._handed_out.discard(n)
        self._askers[step.asked_after] -= 1
        self._snapshots[verdict.state.told] = verdict.state
        for asked in asks:
            self._add_open(asked)
        self._forget(step.asked_after, before.told)
        return verdict.step

    def _add_open(self, step: Step) -> None:
        """Take in a step whose row says that it is asked and not told."""
        self._open[step.n] = step
        self._under_way.add(step)
        self._askers[step.asked_after] += 1
        heappush(self._waiting, step.n)
        if self.settings.order == "step":
            heappush(self._lowest, step.n)

    def _forget(self, *snapshots: int) -> None:
        """Let go of older snapshots that no untold step was asked from."""
        for k in snapshots:
            if not self._askers[k]:
                del self._askers[k]
                if k != self.state.told:
                    self._snapshots.pop(k, None)

    def _accept(self, step: Step, evaluation: Evaluation | None) -> None:
        """Look at a told step before it is written; a replay refuses one that differs."""

    # --- asking ---

    def _fold(self) -> State:
        """Fold the told rows, and ask every step that is due without a row."""
        untold = queries.untold_steps(self.archive, self.record.id)
        needed = {step.asked_after for step in untold}
        missing = self._missing()
        asks: list[Step] = []
        earliest = min(needed, default=self.record.told)
        if missing is not None:
            earliest = min(earliest, self._due_at(missing))
        state = checkpoint.restored(self.archive, self.record.id, self._beginning, earliest)
        state.history.begin_part()
        asked = None if missing is None else _AskedAgain(self, state.told)
        facts = queries.told_facts(self.archive, self.record.id, first=state.told)
        for told in itertools.chain(facts, [None]):
            due = asked.due(state) if asked else []
            if due or state.told in needed:
                self._snapshots[state.told] = state
            asks += due
            if told is not None:
                if asked:
                    asked.under_way.remove(told[0].n)
                state = fold(state, *told, whole=False)
                if checkpoint.is_due(state):
                    checkpoint.keep(self.journal, state)
        if asks:
            self.journal.ask(asks)
        for step in (*untold, *asks):
            self._add_open(step)
        self._snapshots = {k: s for k, s in self._snapshots.items() if self._askers[k]}
        self._snapshots[state.told] = state
        return state

    def _beginning(self) -> State:
        """Give the state of no told step."""
        grid = Grid(self.task.spec.measures, self.settings.depth)
        return State(grid, self._rules(), History(self._recall))

    def _recall(self, seq: int) -> Told:
        """Read a told step again, which this process no longer keeps."""
        return Told(*queries.told_step(self.archive, self.record.id, seq))

    def _missing(self) -> int | None:
        """Give the lowest step that is due and has no row; None where none lacks its row.

        Rows lack if a kill came between a tell and its asks, or a limit was raised.
        """
        number, highest = queries.num_asked(self.archive, self.record.id)
        told, first = self.record.told, len(self.initial)
        due = range(first if told < first else told + self.record.lookahead)
        last = next((n for n in reversed(due) if self._may_be_asked(n)), -1)
        if number == highest + 1:
            return number if last > highest else None
        asked = queries.asked_numbers(self.archive, self.record.id)
        return next((n for n in range(last + 1) if n not in asked and self._may_be_asked(n)), None)

    def _due_steps(
        self, state: State, under_way: UnderWay, known: Mapping[int, Step]
    ) -> list[Step]:
        """Ask the steps that are due when `state.told` are told and that have no row yet.

        under_way: the steps that were asked before and are not told yet; those that are due are
        added. known: those with a row.
        """
        steps: list[Step] = []
        for n in self._due(state.told):
            absent = (s for s in self.absent if (s.asked_after, s.n) < (state.told, n))
            step = known.get(n) or self._ask(state, n, under_way.beside(absent))
            if step is None:
                continue
            under_way.add(step)
            if n not in known:
                steps.append(step)
        return steps

    def _due(self, told: int) -> list[int]:
        """Give the numbers of the steps to ask at this point, the same in both orders.

        All initial programs at 0; once they are told, so many that `lookahead` are asked and not
        told.
        """
        first = len(self.initial)
        last = told + self.record.lookahead
        if told == 0:
            due = range(first)
        elif told == first:
            due = range(first, last)
        else:
            due = range(last - 1, last) if told > first else range(0)
        return [n for n in due if self._may_be_asked(n)]

    def _due_at(self, n: int) -> int:
        """Give after how many tells step n is due."""
        first = len(self.initial)
        return 0 if n < first else max(first, n - self.record.lookahead + 1)

    def _may_be_asked(self, n: int) -> bool:
        return self.limits.steps is None or n < self.limits.steps

    def _ask(self, state: State, n: int, under_way: UnderWay) -> Step | None:
        """Decide step n from a state; None when nothing in it could be a parent.

        under_way: the steps that were asked before and are not told yet.
        """
        if n < len(self.initial):
            return Step(n, state.told, Kind.INITIAL, operator="initial")
        if (asked := challenge(state, under_way.confirming)) is not None:
            return Step(
                n,
                state.told,
                Kind.CONFIRM,
                operator=Kind.CONFIRM.value,
                parents=asked.programs,
                block=asked.block,
            )
        if self._migrates(n) and state.told > len(self.initial):  # before, nothing is new
            return Step(n, state.told, Kind.MIGRATE, operator=Kind.MIGRATE.value)
        rng = step_rng(self.record.rng_seed, n, "ask")
        choice = ask(state, self.means, rng, self.briefing.grouping, under_way.company)
        if choice is None:
            return None
        return Step(n, state.told, Kind.SEARCH, choice.operator, choice.model, choice.parents)

    def _migrates(self, n: int) -> bool:
        """Tell whether step n takes over what another island has found."""
        every = self.settings.migrate
        return bool(self.settings.islands) and (n - len(self.initial)) % every == every - 1

    def _rules(self) -> Rules:
        return Rules(self.settings.confirm, self.briefing.grouping.units)

    def _briefing(self) -> Briefing:
        """Give what models are told, as it was when the run began."""
        told = self.record.settings.get("briefing")
        briefing = briefing_of(told) if told else Briefing(self.task.brief, self.task.spec)
        instances = self._instances()
        return briefing if instances is None else replace(briefing, grouping=grouping(instances))

    def _instances(self) -> list[dict[str, Any]] | None:
        task = self.record.task
        own = queries.block(self.archive, task=task, stage=self._own_stage, block=BLOCK)
        if own is not None or self.settings.confirm:
            return own
        return queries.block(self.archive, task=task, stage=STAGE, block=BLOCK)

    @property
    def _own_stage(self) -> str:
        return own_stage(self.record)

    def raise_barren(self) -> NoReturn:
        """Say why nothing can be asked though no limit is reached. Raises: UsageError."""
        if self.state.best:
            names = ", ".join(sorted(self.operators))
            raise UsageError(
                f"no step can be asked: {names} cannot work on the {len(self.state.best)} valid "
                f"programs there are; allow more --operators or begin --from more programs"
            )
        if self.state.told > len(self.initial):
            raise UsageError(
                f"no step can be asked: every elite of {self.task.name} failed on fresh instances "
                "of `valid`; `evolve status` tells more, and search.confirm=0 does without them"
            )
        first = self.state.step(0)
        why = (
            f"the first is {first.step.status}: {first.step.reason}" if first else "there are none"
        )
        raise UsageError(
            f"none of the {len(self.initial)} initial programs of {self.task.name} is valid; {why}. "
            f"`evolve check {self.task.name}` tells more"
        )


class _AskedAgain:
    """Asks the steps that have no row while told rows are folded, beside those under way then."""

    def __init__(self, run: Run, told: int) -> None:
        self._run = run
        self._rows = queries.asked_steps(run.archive, run.record.id, told)
        self._next = next(self._rows, None)
        self.under_way = UnderWay()
        for step in self._asked_by(told - 1):
            self.under_way.add(step)

    def due(self, state: State) -> list[Step]:
        """Ask what is due when `state.told` are told and has no row yet."""
        known = {step.n: step for step in self._asked_by(state.told)}
        asked = self._run._due_steps(state, self.under_way, known)
        for step in known.values():
            self.under_way.add(step)
        return asked

    def _asked_by(self, told: int) -> list[Step]:
        """Give the next steps with a row that were asked when at most so many were told."""
        steps = []
        while self._next is not None and self._next.asked_after <= told:
            steps.append(self._next)
            self._next = next(self._rows, None)
        return steps


def _parent(snapshot: State, n: int) -> ParentProgram:
    told = snapshot.step(n)
    assert told is not None
    step, evaluation, ran = told.step, told.evaluation, told.step.ran or {}
    assert step.source is not None
    return ParentProgram(
        step=n,
        source=step.source,
        fitness=told.fitness,
        scores=evaluation.scores if evaluation else {},
        tuned=snapshot.tuned(n),
        se=evaluation.se if evaluation else None,
        feedback=evaluation.feedback if evaluation else {},
        operator=step.operator,
        idea=step.idea,
        status=str(step.status),
        reason=step.reason,
        # As the step ran here; a replay takes both as they were recorded.
        cpu_s=ran.get("cpu_s"),
        limit_share=ran.get("limit_share"),
    )
