"""Where candidates run and are graded: the protocol that every executor keeps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from archive.records import Evaluation
from evolve.errors import WorldError

# The kinds that there are, as `--executor` names them.
LOCAL, RAY = "local", "ray"
EXECUTORS = (LOCAL, RAY)

# Reports long work before the first candidate can run: (done, total, what).
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Ran:
    """What running a program on a block gave.

    status, reason: of the first instance that went wrong, else "ok". outputs_digest: the sound
    key of all outputs, None unless ok. token: names the outputs to its slot for `grade`.
    wall_s, cpu_s: seconds of all instances together, start-up of the warm process not included;
    max_rss_bytes: the largest. level: of the wall. limit_share: the largest share of a limit on
    time or memory that one instance used, 1 or more if it broke one; it decides nothing.
    """

    status: str
    reason: str | None
    outputs_digest: str | None
    token: str | None
    wall_s: float
    cpu_s: float
    max_rss_bytes: int
    level: str
    limit_share: float

    def facts(self) -> dict[str, Any]:
        """Give what the archive keeps of it with the step."""
        return {
            "status": self.status,
            "reason": self.reason,
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "max_rss_bytes": self.max_rss_bytes,
            "level": self.level,
            "limit_share": self.limit_share,
        }


@dataclass(frozen=True, slots=True)
class Drafted:
    """What came of a draft: its status, and the value of the variable that was observed."""

    status: str
    reason: str
    value: Any


# What a program's outputs follow from, as far as the probes can tell. "deterministic": from its
# text and inputs. "injected": from its generator too, so that it is hashed and compared under
# common random numbers. "none": from something else, as the order of a set of texts, addresses or
# a clock; such a program has no functional hash.
Determinism = Literal["deterministic", "injected", "none"]


@dataclass(frozen=True, slots=True)
class Probed:
    """What a program does on the probes.

    behaviour: its functional hash, which predicts; None when a probe ended by the clock, which
    nothing may rest on, and where there is no determinism. record: what it was made from.
    determinism: None when a probe ended by the clock. wall_s: seconds of all probing, the start of
    a warm process not included; shown only.
    """

    behaviour: str | None
    record: bytes
    determinism: Determinism | None
    wall_s: float


# Statuses that tell as much of the machine as of the program: they get a second chance alone, and
# stay with their step.
UNSOUND = ("timeout", "over_limit")


class SlotLost(WorldError):
    """A slot is gone, with what it held; what it was doing can be done again elsewhere."""


class DeviceLost(SlotLost):
    """A GPU gave up under this piece of work: the world's fault once, its own the second time."""


class Slot(Protocol):
    """One place to run candidates: a grader and its warm process. One call at a time.

    Raises from every method: WorldError when the place itself is lost, TaskError when the task's
    own code fails. Neither says anything about the candidate.
    """

    async def describe(self, stage: str, block: int) -> list[dict[str, Any]]:
        """Give a block's instances: {"name", "groups", "unit"} and more."""

    async def draft(self, source: str, observe: str) -> Drafted:
        """Run a draft on the first probe and read its variable `observe`."""

    async def probe(self, source: str) -> Probed:
        """Run a program on the probes: once as in a run, and again under other circumstances."""

    async def run(self, source: str, stage: str, block: int) -> Ran:
        """Run a program on a block, one child per instance, to the first that goes wrong."""

    async def grade(self, token: str) -> dict[str, Any]:
        """Grade what `run` left under this token; give the quality fields of an Evaluation."""

    async def timed_grade(self, token: str) -> tuple[dict[str, Any], float]:
        """Grade as `grade` does; also give the wall seconds that it took, to be shown only."""


class Executor(Protocol):
    """Slots, lent to the lowest step number first.

    levels: of the wall, that its candidates may run behind; what is served must be of these too.

    Law: equal (source, stage, block) give an equal Ran in any slot, times and memory aside.
    """

    num_slots: int
    levels: Collection[str]

    def slot(self, priority: int) -> AbstractAsyncContextManager[Slot]:
        """Lend a slot; the lowest priority number waits shortest."""

    def alone(self) -> AbstractAsyncContextManager[Slot]:
        """Lend a slot while all others rest, for a time-out's second chance."""


class OpenExecutor(Executor, AbstractAsyncContextManager[Executor], Protocol):
    """An executor that is open inside its `async with`."""


def evaluation_of(
    ran: Ran,
    quality: Mapping[str, Any],
    *,
    task: str,
    world: str,
    stage: str,
    block: int,
    program: str,
) -> Evaluation:
    """Put the quality of some outputs and the cost of this program's own run together."""
    return Evaluation(
        task=task,
        world=world,
        stage=stage,
        block=block,
        program=program,
        outputs_digest=ran.outputs_digest,
        wall_s=ran.wall_s,
        cpu_s=ran.cpu_s,
        max_rss_bytes=ran.max_rss_bytes,
        level=ran.level,
        **quality,
    )
