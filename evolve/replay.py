"""A run done again from its own journal, to prove that it follows from code, journal and seeds.

What came from outside is taken as recorded: a model's answer, what a draft gave, a verdict of the
clock or of a limit, the order of tells. All else is done anew, though the archive knows it: asks,
texts, outputs, grades, places. A step that differs from the recorded one is not told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, NoReturn

from archive import queries
from archive.journal import SERVED, Journal
from archive.records import Answer, Evaluation, RunRecord, Step
from archive.rows import rounded
from archive.store import Archive
from evolve.desk import JournaledDesk
from evolve.errors import EvolveError, Unwritten
from evolve.executor import Executor, Probed, Ran
from evolve.loader import Task
from evolve.operators.base import Operator
from evolve.recording import Difference, Recording, difference
from evolve.run import Assignment, Run
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
    """Does the work of a replay's steps anew; the archive's evaluations are only compared with.

    Inside one replay a program is run once and equal outputs are graded once, as in any run.
    """

    def __init__(self, replay: Replay, executor: Executor) -> None:
        super().__init__(replay, executor)
        self._recording = replay.recording
        self._anew: dict[str, Evaluation] = {}
        self._anew_by_digest: dict[str, Evaluation] = {}

    def _desk(self, assignment: Assignment) -> JournaledDesk:
        return ReplayDesk(self.run, assignment, self._recording)

    def _behaviour_of(self, step: Step, task: str, world: str) -> str | None:
        return self._recording.steps[step.n].behaviour

    def _kept_behaviour(self, step: Step, probed: Probed) -> tuple[str, bytes | None] | None:
        """Take the functional hash as recorded: a slow clock may have left it out then, or now."""
        behaviour = self._recording.steps[step.n].behaviour
        return None if behaviour is None else (behaviour, None)

    def _facts(self, step: Step, ran: Ran) -> Mapping[str, Any]:
        """Take times and memory as they were recorded: a later prompt may have told them."""
        recorded = self._recording.steps[step.n].ran
        if recorded is not None and recorded["status"] == ran.status:
            return recorded
        return super()._facts(step, ran)

    async def _evaluate(self, step: Step) -> tuple[Step, Evaluation | None]:
        recorded = self._recording.steps[step.n]
        by_machine = recorded.ran is not None and recorded.ran["status"] not in SERVED
        if by_machine and recorded.program == step.program and step.ran is None:
            # Another machine, or a busier one, may judge otherwise: that would prove nothing.
            assert recorded.ran is not None
            behaviour = None if recorded.behaviour is None else (recorded.behaviour, None)
            self.run.journal.ran(step.n, recorded.ran, outputs_digest=None, behaviour=behaviour)
            return replace(step, ran=recorded.ran, behaviour=recorded.behaviour), None
        return await super()._evaluate(step)

    def _find_program(self, program: str) -> Evaluation | None:
        return self._anew.get(program)

    def _find_outputs(self, outputs_digest: str) -> Evaluation | None:
        return self._anew_by_digest.get(outputs_digest)

    def _kept(self, step: Step, evaluation: Evaluation, *, graded: bool) -> tuple[Step, Evaluation]:
        """Keep what was found anew at hand, beside the row that stands, and tell from it."""
        step, standing = super()._kept(step, evaluation, graded=graded)
        anew = _as_a_row_has_it(replace(evaluation, id=standing.id))
        self._anew[anew.program] = anew
        if anew.outputs_digest is not None:
            self._anew_by_digest.setdefault(anew.outputs_digest, anew)
        return step, anew


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
