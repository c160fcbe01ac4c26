"""What a run told, as a replay of it must tell it again, and where the two differ first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from archive.records import Evaluation, RunRecord, Step
from evolve.hurdle import HURDLE

# The key of a run's settings that makes it a replay, and names the run that it replays.
REPLAY_OF = "replay_of"
# What is compared, in the order in which a step comes to it: what differs first is the cause.
MADE = ("asked_after", "kind", "operator", "parents", "source", "program", "outputs_digest")
GRADED = ("fitness", "scores", "measures")
TOLD = ("status", "duplicate_of", "cell", "placement")
# A value is shown up to here: a sentence has two of them.
SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Recording:
    """The first told steps of a run.

    steps: by number, in the order of tells. evaluations: those the steps point at, by id.
    untold: steps that were asked and are not among these.
    """

    run: RunRecord
    steps: Mapping[int, Step]
    evaluations: Mapping[int, Evaluation]
    untold: Sequence[Step] = ()

    def evaluation(self, n: int) -> Evaluation | None:
        """Give the evaluation that step n points at, if any."""
        id = self.steps[n].evaluation
        return None if id is None else self.evaluations[id]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay parts from its recording. recorded, replayed: both values, shortened."""

    step: int
    field: str
    recorded: str
    replayed: str

    def __str__(self) -> str:
        values = f"it was {self.recorded}, it is {self.replayed}"
        return f"step {self.step} differs in its {self.field}: {values}"


def difference(
    recorded: Step, known: Evaluation | None, replayed: Step, found: Evaluation | None
) -> Difference | None:
    """Compare a recorded step with the same step of a replay; give what differs first.

    known, found: the recorded evaluation and the one made anew. Not compared are times and
    memory, and the functional hash over probes, which a slow clock may leave out.
    """
    for name, one, other in _pairs(recorded, known, replayed, found):
        if one != other:
            field, was, now = _narrowed(name, one, other)
            return Difference(recorded.n, field, _shown(was, recorded), _shown(now, replayed))
    return None


def _pairs(
    recorded: Step, known: Evaluation | None, replayed: Step, found: Evaluation | None
) -> Iterator[tuple[str, Any, Any]]:
    for name in MADE:
        yield name, getattr(recorded, name), getattr(replayed, name)
    if known is not None and found is not None:
        for name in GRADED:
            yield name, getattr(known, name), getattr(found, name)
    yield "comparison", _fact(recorded, "compared"), _fact(replayed, "compared")
    yield "hurdle", _fact(recorded, HURDLE), _fact(replayed, HURDLE)
    for name in TOLD:
        yield name, getattr(recorded, name), getattr(replayed, name)
    if recorded.ran is None:
        # Why a program was not run follows from what was written; a crash may name an address.
        yield "reason", recorded.reason, replayed.reason


def _fact(step: Step, name: str) -> Any:
    """Give what a step's facts have under a name: what a confirm step found, or the hurdle said."""
    return (step.ran or {}).get(name)


def _narrowed(name: str, one: Any, other: Any) -> tuple[str, Any, Any]:
    """Narrow two different values to where they differ: a key of a mapping, a line of a text."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        key = next(key for key in (*one, *other) if one.get(key) != other.get(key))
        return f"{name} of {key}", one.get(key), other.get(key)
    if name == "source" and one is not None and other is not None:
        lines = zip_longest(one.split("\n"), other.split("\n"))
        for number, (line, another) in enumerate(lines, start=1):
            if line != another:
                return f"source at line {number}", line, another
    return name, one, other


def _shown(value: Any, step: Step) -> str:
    """Write a value, shortened; where there is none, why not."""
    text = repr(value)
    if value is None:
        text = f"none ({step.reason})" if step.reason else "none"
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
