"""A run done again from its own journal, to prove that it follows from code, journal and seeds.

What came from outside is taken as recorded: a model's answer, what a draft gave, a verdict of the
clock or of a limit, the order of tells. All else is done anew, though the archive knows it: asks,
texts, outputs, grades, places. A step that differs from the recorded one is not told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, NoReturn

from archive import queries
from archive.journal import Journal
from archive.records import Answer, Evaluation, RunRecord, Status, Step
from archive.rows import rounded
from archive.store import Archive
from evolve.confirmation import Confirmer
from evolve.desk import JournaledDesk
from evolve.errors import EvolveError, Unwritten
from evolve.evaluator import Evaluator
from evolve.executor import UNSOUND, Probed, Ran
from evolve.history import is_rejected
from evolve.hurdle import HURDLE
from evolve.loader import Task
from evolve.memo import Memo, Subject
from evolve.migration import Migrator
from evolve.neighbours import Neighbour
from evolve.operators.base import Operator
from evolve.recording import Difference, Recording, difference
from evolve.run import Assignment, Run
from evolve.slots import Slots
from evolve.state import State
from evolve.walk import Walk, is_verdict
from evolve.work import Worker


class Differs(EvolveError):
    """A replay came to something else than its recording; `difference` says where first.

    The step that differs is not told, so whoever resumes the replay comes upon it again.
    """

    def __init__(self, replay: Replay, difference: Difference) -> None:
        self.replay, self.difference = replay, difference
        super().__init__(
            f"{replay.record.name} is not the same as {replay.recording.run.name}: {difference}"
        )


class Replay(Run):
    """A run that is to tell the steps of a recording again, in their recorded order."""

    def __init__(
        self,
        task: Task,
        archive: Archive,
        journal: Journal,
        operators: Mapping[str, Operator],
        recording: Recording,
    ) -> None:
        self.recording = recording
        self._order = tuple(recording.steps)
        self.absent = recording.untold
        super().__init__(task, archive, journal, operators)

    def raise_barren(self) -> NoReturn:
        """Say that the recorded next step cannot be asked. Raises: Differs."""
        n = self._order[self.state.told]
        asked = f"asked of {self.recording.steps[n].operator}"
        raise Differs(self, Difference(n, "ask", asked, "not asked: nothing could be a parent"))

    def _next(self) -> int | None:
        n = self._order[self.state.told]
        return n if n in self._finished else None

    def _may_be_asked(self, n: int) -> bool:
        return n in self.recording.steps

    def _accept(self, step: Step, evaluation: Evaluation | None) -> None:
        recorded = self.recording.steps[step.n]
        found = difference(recorded, self.recording.evaluation(step.n), step, evaluation)
        if found is not None:
            raise Differs(self, found)


class ReplayWorker(Worker):
    """Does the work of a replay's steps anew, and makes no call."""

    run: Replay

    def _memo(self) -> Memo:
        return ReplayMemo(self.run, self.executor.levels)

    def _evaluator(self, *parts: Any) -> Evaluator:
        return ReplayEvaluator(self.run, *parts)

    def _confirmer(self, *parts: Any) -> Confirmer:
        return ReplayConfirmer(self.run, *parts)

    def _migrator_of(self, run: Run) -> Migrator:
        return ReplayMigrator(self.run, self.slots)

    def _desk(self, assignment: Assignment) -> JournaledDesk:
        return ReplayDesk(self.run, assignment, self.run.recording)


class ReplayMemo(Memo):
    """Knows what this replay found anew; the archive's evaluations are only compared with.

    So inside one replay a program is run once and equal outputs are graded once, as in any run.
    """

    def __init__(self, replay: Replay, levels: Collection[str]) -> None:
        super().__init__(replay, levels)
        self._name = replay.record.name
        self._anew: dict[tuple[str, int, str], Evaluation] = {}
        self._by_digest: dict[tuple[str, int, str], Evaluation] = {}
        self._by_behaviour: dict[str, Evaluation] = {}

    def find(self, subject: Subject) -> Evaluation | None:
        return self._anew.get((subject.stage, subject.block, subject.program))

    def find_outputs(self, subject: Subject, outputs_digest: str) -> Evaluation | None:
        return self._by_digest.get((subject.stage, subject.block, outputs_digest))

    def find_behaviour(self, behaviour: str) -> Evaluation | None:
        return self._by_behaviour.get(behaviour)

    def lease(self, what: str, subject: Subject, key: str) -> str:
        """Name a piece of work of this replay's own: what others grade is nothing to it."""
        return f"{super().lease(what, subject, key)}:{self._name}"

    def keep(self, step: Step, evaluation: Evaluation, *, graded: int) -> tuple[Step, Evaluation]:
        """Keep what was found anew at hand, beside the row that stands, and tell from it."""
        step, standing = super().keep(step, evaluation, graded=graded)
        return step, self._remember(evaluation, standing)

    def keep_fresh(self, evaluation: Evaluation, graded: int) -> Evaluation:
        return self._remember(evaluation, super().keep_fresh(evaluation, graded))

    def _remember(self, evaluation: Evaluation, standing: Evaluation) -> Evaluation:
        anew = _as_a_row_has_it(replace(evaluation, id=standing.id))
        where = anew.stage, anew.block
        self._anew[*where, anew.program] = anew
        if anew.outputs_digest is not None:
            self._by_digest.setdefault((*where, anew.outputs_digest), anew)
        if anew.behaviour is not None:
            self._by_behaviour.setdefault(anew.behaviour, anew)
        return anew


class ReplayEvaluator(Evaluator):
    """Evaluates a replay's programs anew, but for verdicts that would not come out again."""

    def __init__(self, replay: Replay, *parts: Any) -> None:
        super().__init__(replay, *parts)
        self._recording = replay.recording

    async def evaluate(self, step: Step, snapshot: State) -> tuple[Step, Evaluation | None]:
        recorded = self._recording.steps[step.n]
        if _broke_a_device(recorded) and recorded.program == step.program and step.ran is None:
            kept = step if recorded.ran is None else self._as_recorded(step, recorded)
            return replace(kept, status=recorded.status, reason=recorded.reason), None
        if recorded.ran is None or recorded.program != step.program or step.ran is not None:
            return await super().evaluate(step, snapshot)
        if is_verdict(recorded.ran) and not is_rejected(recorded):
            # Another machine, or a busier one, may judge otherwise: that would prove nothing.
            return self._as_recorded(step, recorded), None
        if recorded.ran.get("determinism") == "none" and recorded.evaluation is not None:
            known = self._recording.evaluation(step.n)
            assert known is not None
            return self._memo.keep(self._as_recorded(step, recorded), known, graded=0)
        return await super().evaluate(step, snapshot)

    def _as_known(self, step: Step, probed: Probed) -> Probed:
        recorded = self._recording.steps[step.n]
        return super()._as_known(
            replace(step, ran=recorded.ran, behaviour=recorded.behaviour), probed
        )

    def _as_recorded(self, step: Step, recorded: Step) -> Step:
        assert recorded.ran is not None
        behaviour = None if recorded.behaviour is None else (recorded.behaviour, None)
        digest = recorded.outputs_digest if _broke_a_device(recorded) else None
        self.run.journal.ran(step.n, recorded.ran, outputs_digest=digest, behaviour=behaviour)
        return replace(step, ran=recorded.ran, outputs_digest=digest, behaviour=recorded.behaviour)

    def _behaviour_of(self, step: Step, task: str, world: str) -> str | None:
        return self._recording.steps[step.n].behaviour

    def _near(self, walk: Walk, probed: Probed) -> list[Neighbour]:
        """Compare by the functional hash as recorded where a slow clock has left it out now."""
        behaviour = self._recording.steps[walk.step.n].behaviour
        if behaviour is None:  # left out then: nothing was compared
            return []
        if probed.behaviour is None:
            probed = replace(probed, behaviour=behaviour, record=b"")
        return super()._near(walk, probed)

    def _kept_behaviour(self, step: Step, probed: Probed | None) -> tuple[str, bytes | None] | None:
        """Take the functional hash as recorded: a slow clock may have left it out then, or now."""
        behaviour = self._recording.steps[step.n].behaviour
        return None if behaviour is None else (behaviour, None)

    def _facts(self, step: Step, ran: Ran) -> dict[str, Any]:
        """Take times and memory as they were recorded: a later prompt may have told them."""
        recorded = self._recording.steps[step.n].ran
        if recorded is not None and recorded["status"] == ran.status:
            # What the hurdle said is found anew, as all that decides is.
            return {name: fact for name, fact in recorded.items() if name != HURDLE}
        return super()._facts(step, ran)


class ReplayConfirmer(Confirmer):
    """Compares a replay's programs anew, but where a clock or a limit was the judge."""

    def __init__(self, replay: Replay, *parts: Any) -> None:
        super().__init__(replay, *parts)
        self._recording = replay.recording

    async def confirm(self, step: Step, snapshot: State) -> Step:
        recorded = self._recording.steps[step.n].ran
        if recorded is None or not recorded.get("by_machine") or step.ran is not None:
            return await super().confirm(step, snapshot)
        self.run.journal.ran(step.n, recorded, outputs_digest=None)
        return replace(step, ran=recorded)


class ReplayMigrator(Migrator):
    """Takes over what was taken over then: the other island may have no rows in this archive."""

    def __init__(self, replay: Replay, slots: Slots) -> None:
        super().__init__(replay, slots)
        self._replay = replay

    async def migrate(self, assignment: Assignment) -> Step:
        step = assignment.step
        if step.source is not None or step.status is not None:
            return step
        recorded = self._replay.recording.steps[step.n]
        if recorded.source is None:
            return self.keep_nothing(step, recorded.reason or "")
        return self.keep(step, recorded.source, recorded.idea)


class ReplayDesk(JournaledDesk):
    """Hands an operator what it was handed in the recorded run; no call is made."""

    def __init__(self, run: Run, assignment: Assignment, recording: Recording) -> None:
        self._recorded_name = recording.run.name
        # A replay's own journal is whole: it could be replayed in its turn.
        for answer in queries.answers(run.archive, recording.run.id, assignment.n):
            run.journal.send(replace(answer, reserved_usd=0.0, reserved_tokens=0))
        super().__init__(run, assignment, NothingRuns())

    def _asks_otherwise(self) -> EvolveError:
        return Unwritten(
            f"its operator asks something else as effect {self._seq} than in {self._recorded_name}"
        )

    async def _make(self, kind: str, perform: Callable[[], Awaitable[Answer]]) -> Answer:
        raise Unwritten(
            f"the journal of {self._recorded_name} has no answer to its effect {self._seq} ({kind})"
        )


class NothingRuns:
    """What a replay's operators find behind the wall: all they ask was asked then."""

    async def draft(self, source: str, observe: str) -> Any:
        raise AssertionError("a replay makes no draft")

    async def behaviour(self, source: str) -> str | None:
        raise AssertionError("a replay makes no draft")


def _broke_a_device(recorded: Step) -> bool:
    """Tell whether a program ended by a GPU that gave up: not by a limit, which its run tells."""
    if recorded.status is not Status.OVER_LIMIT:
        return False
    return recorded.ran is None or recorded.ran["status"] not in UNSOUND


def read_recording(archive: Archive, run: RunRecord, steps: int) -> Recording:
    """Read the first so many told steps of a run."""
    told = islice(queries.told_steps(archive, run.id), steps)
    recorded = {step.n: step for step in told}
    others = (step for step in queries.steps(archive, run.id) if step.n not in recorded)
    evaluations = queries.evaluations(archive, run.id)
    return Recording(run, recorded, evaluations, tuple(others))


def _as_a_row_has_it(evaluation: Evaluation) -> Evaluation:
    """Round a quality as the archive does, so that it can be compared with a row."""
    return replace(
        evaluation,
        fitness=rounded(evaluation.fitness),
        se=rounded(evaluation.se),
        scores={name: rounded(score) or 0.0 for name, score in evaluation.scores.items()},
        measures={name: rounded(value) or 0.0 for name, value in evaluation.measures.items()},
    )
