"""Grades, shared: equal outputs are graded once, by one holder on the whole archive."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from archive.journal import SERVED as SERVED_STATUSES
from archive.leases import Leases
from archive.records import Evaluation, Status
from evolve.executor import Ran, Slot, evaluation_of
from evolve.flights import Flights
from evolve.memo import Memo, Subject
from evolve.run import Run
from evolve.slots import Slots

T = TypeVar("T")

# Another process does a grading of more than an hour a second time, to the same result: time is lost
# and nothing else. Only a holder that hangs needs it; that one was killed is noticed at once.
LEASE_S = 3600.0
# Another process grades what we wait for: look again after so long, then ever less often.
LOOK_AGAIN_S = (0.02, 1.0)
# Statuses that are this program's own fault, on any machine: they may be served to others.
SERVED = {status.value: status for status in SERVED_STATUSES}


class Grades:
    """Gives what ran its grade, or that of equal outputs, for one run."""

    def __init__(self, run: Run, memo: Memo, slots: Slots, flights: Flights) -> None:
        self._memo, self._slots, self._flights = memo, slots, flights
        self._shared = run.settings.share_grades
        self._leases = Leases(run.archive.database, run.record)

    async def quality(
        self, ran: Ran, slot: Slot, subject: Subject, keep: Callable[[Evaluation, int], T]
    ) -> T:
        """Grade outputs, or take the grade of equal outputs, and keep the evaluation.

        keep: writes an evaluation, told how often was graded for it; what it gives is given.
        """
        digest = ran.outputs_digest
        if digest is None or ran.token is None:
            return keep(self.failure(ran, subject), 0)
        if not self._shared:
            return keep(await self.graded(ran, slot, subject), 1)
        key = ("digest", subject.stage, str(subject.block), digest)
        lease, pause = self._memo.lease("grade", subject, digest), LOOK_AGAIN_S[0]
        while True:
            if (twin := self._memo.find_outputs(subject, digest)) is not None:
                return keep(self.evaluation(ran, _quality_of(twin), subject), 0)
            # Its holder has a slot in hand and waits for nobody, so this ends.
            if await self._flights.landing(key):
                continue
            if not self._leases.take(lease, LEASE_S):
                await asyncio.sleep(pause)  # another process grades them
                self._slots.raise_if_stopping()
                pause = min(2.0 * pause, LOOK_AGAIN_S[1])
                continue
            try:
                if self._memo.find_outputs(subject, digest) is None:
                    with self._flights.holding(key):
                        # Kept before the lease is given back: others find the one or the other.
                        return keep(await self.graded(ran, slot, subject), 1)
            finally:
                self._leases.release(lease)

    async def graded(self, ran: Ran, slot: Slot, subject: Subject) -> Evaluation:
        """Grade what ran in a slot."""
        assert ran.token is not None
        quality, seconds = await slot.timed_grade(ran.token)
        return self.evaluation(ran, quality, subject, seconds)

    def failure(self, ran: Ran, subject: Subject) -> Evaluation:
        """Give the evaluation of a program that failed by its own fault."""
        return self.evaluation(ran, {"status": SERVED[ran.status], "reason": ran.reason}, subject)

    def evaluation(
        self, ran: Ran, quality: Mapping[str, Any], subject: Subject, seconds: float = 0.0
    ) -> Evaluation:
        """Put a quality and the cost of this program's own run together; seconds: of grading."""
        quality = {**quality, "status": Status(quality["status"])}
        where = self._memo.block(subject.stage, subject.block)
        evaluation = evaluation_of(ran, quality, **where, program=subject.program)
        return replace(evaluation, grade_s=seconds)


def averaged(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Put evaluations of one program on one block together: the means of all that was scored.

    The cost is that of all; n stays the number of instances. One that failed once has failed.
    """
    first = evaluations[0]
    failed = [each for each in evaluations if each.fitness is None]
    if len(evaluations) == 1 or failed:
        return failed[0] if failed else first
    errors = [each.se for each in evaluations if each.se is not None]
    return replace(
        first,
        fitness=_mean([each.fitness for each in evaluations if each.fitness is not None]),
        se=_mean(errors) if errors else None,
        scores={name: _mean([e.scores[name] for e in evaluations]) for name in first.scores},
        measures={name: _mean([e.measures[name] for e in evaluations]) for name in first.measures},
        wall_s=math.fsum(each.wall_s for each in evaluations),
        cpu_s=math.fsum(each.cpu_s for each in evaluations),
        grade_s=math.fsum(each.grade_s for each in evaluations),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _quality_of(twin: Evaluation) -> dict[str, Any]:
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
