"""How far one step has come on the way to its evaluation, and what its row will say of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archive.records import Step
from evolve.executor import Probed
from evolve.grades import SERVED
from evolve.history import Told
from evolve.hurdling import Judged
from evolve.memo import Subject
from evolve.rejection import Review
from evolve.run import BLOCK, STAGE
from evolve.state import State

# A program that broke a limit has so many more runs, alone on its machine, before it is the verdict:
# one, and two if it was within its limits once and is run again since its grade was lost.
QUIET_RUNS, QUIET_RUNS_OF_ONE_THAT_PASSED = 1, 2
# The key of the facts of a program that was run again, its grade being lost, and gave something else.
UNREPEATABLE = "unrepeatable"


@dataclass
class Walk:
    """How far a step has come: its row, the snapshot it may see, and what was learned of it.

    order: which waits shortest for a slot. quiet_runs: how often it was sent to run alone. seen:
    what it is near to. audits: the step whose trusted quality it puts to the test. judged: by the hurdle.
    review: what was found of it beside near elites, None if it is like none of them. broke_device:
    whether a GPU gave up under it once.
    """

    step: Step
    snapshot: State
    order: int
    quiet_runs: int = 0
    probed: Probed | None = None
    seen: Mapping[str, Any] = field(default_factory=dict)
    audits: Told | None = None
    judged: Judged | None = None
    reviewed: bool = False
    review: Review | None = None
    broke_device: bool = False

    @property
    def alone(self) -> bool:
        return self.quiet_runs > 0

    @property
    def may_run_again(self) -> bool:
        """Whether a broken limit is no verdict yet."""
        passed = self.step.ran is not None
        return self.quiet_runs < (QUIET_RUNS_OF_ONE_THAT_PASSED if passed else QUIET_RUNS)

    @property
    def subject(self) -> Subject:
        assert self.step.program is not None
        assert self.step.source is not None
        return Subject(self.step.program, self.step.source, STAGE, BLOCK, self.order)

    @property
    def facts(self) -> dict[str, Any]:
        """Give what the step keeps of its probes, beside the facts of running."""
        assert self.probed is not None
        facts = {"determinism": self.probed.determinism, "probe_s": self.probed.wall_s, **self.seen}
        return facts | self.verdicts

    @property
    def verdicts(self) -> dict[str, Any]:
        """Give what an audit, the hurdle and a review are to say, as facts of the step."""
        facts = {"audits": self.audits.step.n} if self.audits else {}
        facts |= self.judged.facts if self.judged else {}
        return facts | (self.review.facts() if self.review else {})


def is_verdict(ran: Mapping[str, Any]) -> bool:
    """Tell whether what a row says of running is told as it is: it would not come out again."""
    return ran["status"] not in SERVED or UNREPEATABLE in ran
