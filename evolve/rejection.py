"""What is not new is not run: a program that reads and behaves like an elite of its snapshot.

Off unless `search.embedder` says how texts are compared. Text is never the only reason, a judge may
spare a program, and a sample of the rejected is run all the same: it shows how often that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from archive.records import JUDGE_SEQ, LIKENESS_SEQ, Step
from evolve.desk import JournaledDesk
from evolve.errors import Unwritten
from evolve.history import REJECTED, SPARED
from evolve.likeness import Likeness, is_service, likeness_request, likeness_said
from evolve.messages import Request
from evolve.neighbours import Neighbour
from evolve.novelty import Alike, says_novel
from evolve.prompting.judge import judge
from evolve.reading import without_thinking
from evolve.run import Assignment, Run
from evolve.state import State
from evolve.statistics import wilson_interval
from evolve.totals import Totals

# Of programs that would be rejected, so many are run: thirty of three hundred. Where none of these
# was worth it, the rate of false rejections is below a tenth (at 95 %).
SAMPLE_SHARE = 0.1
# The text is compared with so many near elites, the nearest first: their texts may be sent away.
MOST_COMPARED = 16


@dataclass(frozen=True, slots=True)
class Review:
    """What was found of a program that reads and behaves like an elite.

    nearest: the elite's step. similarity: the cosine of both texts, at most 1; distance: of what
    they decide, from 0 to 1. judge: whether the judge agrees that it is not new, None where there
    is none. sampled: whether it is among those that are run whatever was found.
    """

    nearest: int
    similarity: float
    distance: float
    judge: bool | None
    sampled: bool

    @property
    def is_rejected(self) -> bool:
        return self.judge is not False and not self.sampled

    @property
    def reason(self) -> str:
        return (
            f"rejected as not new: text {self.similarity:.2f} like step {self.nearest}, "
            f"behaviour at {self.distance:.2f} of it"
        )

    def facts(self) -> dict[str, Any]:
        """Give what the step keeps of it beside the facts of running."""
        found = {
            "nearest": self.nearest,
            "similarity": self.similarity,
            "distance": self.distance,
            "judge": self.judge,
        }
        if self.judge is False:
            return {SPARED: found}
        return {REJECTED: found | ({"sampled": True} if self.sampled else {})}


class Reviewer:
    """Reviews the programs of one run that are near to an elite in what they decide.

    desk: gives the desk of a step, where the calls of a review are journaled. likeness: how texts
    are compared, None for a service, which is asked over the desk.
    """

    def __init__(
        self, run: Run, desk: Callable[[Assignment], JournaledDesk], likeness: Likeness | None
    ) -> None:
        self._run, self._desk, self._likeness = run, desk, likeness
        self.is_on = run.settings.embedder is not None

    async def review(self, step: Step, snapshot: State, near: Sequence[Neighbour]) -> Review | None:
        """Compare a program's text with those of near elites; None if it is like none of them.

        Raises: BoundReached, CallsStopped, WorldError as an operator's calls do.
        """
        near = near[:MOST_COMPARED]
        assignment = Assignment(step, snapshot, self._run.record.rng_seed)
        alike = await self._alike(assignment, [_source(each) for each in near])
        if alike is None or alike.similarity < self._run.settings.similarity:
            return None
        neighbour = near[alike.row]
        return Review(
            nearest=neighbour.told.step.n,
            similarity=alike.similarity,
            distance=round(neighbour.distance, 4),
            judge=await self._judged(assignment, neighbour, alike.similarity),
            sampled=assignment.rng("rejection").random() < SAMPLE_SHARE,
        )

    async def _alike(self, assignment: Assignment, known: Sequence[str]) -> Alike | None:
        """Give which of some texts is most alike; None where a service gave no answer."""
        own, service = assignment.step.source, self._run.settings.embedder
        assert own is not None
        assert service is not None
        if not is_service(service):
            assert self._likeness is not None
            return (await self._likeness.compare(own, known)).alike
        desk = self._desk(assignment).beside(service, LIKENESS_SEQ)
        try:
            reply = await desk.ask(likeness_request(own, known))
        except Unwritten:
            return None
        return likeness_said(reply.text, len(known))

    async def _judged(
        self, assignment: Assignment, known: Neighbour, similarity: float
    ) -> bool | None:
        """Ask the judge if it agrees; who gives no answer does not."""
        if (name := self._run.settings.judge) is None:
            return None
        own, settings, n = assignment.step.source, self._run.model_settings, known.told.step.n
        assert own is not None
        request = Request(
            (judge(own, _source(known), n, similarity, known.told.step.idea),),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            thinking=settings.thinking,
        )
        try:
            reply = await self._desk(assignment).beside(name, JUDGE_SEQ).ask(request)
        except Unwritten:
            return False
        return not says_novel(without_thinking(reply.text))


def rejections_document(totals: Totals) -> dict[str, Any]:
    """Count what a run's told steps were rejected for, and how often that was wrong.

    rejected: not run. sampled: to be rejected, and run all the same. false: of these, the programs
    that the grid took as new. rate: false of sampled, None if none was; interval: its 95 % Wilson
    interval. spared: near copies that the judge called new.
    """
    sampled, false = totals.count("rejection", "sampled"), totals.count("rejection", "false")
    return {
        "rejected": totals.count("rejection", "rejected"),
        "sampled": sampled,
        "false": false,
        "rate": false / sampled if sampled else None,
        "interval": wilson_interval(false, sampled) if sampled else None,
        "spared": totals.count("rejection", "spared"),
    }


def _source(neighbour: Neighbour) -> str:
    source = neighbour.told.step.source
    assert source is not None
    return source
