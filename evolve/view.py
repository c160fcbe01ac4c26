"""What a snapshot can tell a model: ideas tried, where the best stand, failures worth knowing.

Made anew at each step with a model, so it looks at the elites and the latest steps only, however
long the history is.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archive.records import Evaluation, Status
from evolve.estimates import Estimate, Gain, by_subgroup, estimate, gain, in_order
from evolve.grid import Elite
from evolve.history import FAILED, Told, is_rejected
from evolve.state import State
from evolve.statistics import Grouping

# The best elites that are looked at, for the best of subgroups and the ideas that stand highest.
MAX_ELITES = 120
# The latest told steps that are looked at, and how many ideas and failures are listed of them.
MAX_LATEST = 400
NUM_HIGHEST = 10
NUM_NEWEST = 16
NUM_FAILURES = 8
# Of a failure's reason: a traceback's last line is at its end.
REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Tried:
    """One idea and what came of it.

    kinship: "the same outputs as step 38", None if it equals nothing told before.
    """

    step: int
    operator: str
    idea: str
    status: str
    parent: int | None = None
    fitness: float | None = None
    gain: Gain | None = None
    placement: str | None = None
    duplicate_of: int | None = None
    kinship: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A way to fail that nobody has repaired. times: how many of the latest steps failed so."""

    step: int
    operator: str
    idea: str
    status: str
    reason: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """A program that leads. labels: "best", or the subgroups that it is the best of.

    scores: {instance: score}; subgroups: {label: mean score}.
    """

    labels: tuple[str, ...]
    step: int
    operator: str
    source: str
    fitness: float
    standard_error: float | None
    scores: Mapping[str, float]
    subgroups: Mapping[str, Estimate]
    idea: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What a model is told of a snapshot.

    highest: ideas behind the best elites, best first. newest: the latest others, newest first.
    standings: the best program, then the best of subgroups that it does not lead.
    failures: newest first. origins: {step: (its first parent, its gain)} of steps asked for.
    """

    highest: tuple[Tried, ...] = ()
    newest: tuple[Tried, ...] = ()
    standings: tuple[Standing, ...] = ()
    failures: tuple[Failure, ...] = ()
    origins: Mapping[int, tuple[int, Gain]] = field(default_factory=dict)

    @property
    def tried(self) -> tuple[Tried, ...]:
        return (*self.highest, *self.newest)


def view(state: State, grouping: Grouping, parents: Iterable[int] = ()) -> View:
    """Look at a snapshot. parents: steps whose own origin is wanted too."""
    elites = heapq.nsmallest(MAX_ELITES, state.grid.elites(), key=Elite.key)
    standing = [told for elite in elites if (told := state.step(elite.step)) is not None]
    highest = [told for told in standing if told.step.idea][:NUM_HIGHEST]
    latest = list(_latest(state))
    seen = {told.step.n for told in highest}
    newest = [told for told in latest if told.step.n not in seen and _is_idea(told)][:NUM_NEWEST]
    origins = ((n, _origin(state, n, grouping)) for n in parents)
    return View(
        highest=tuple(_tried(state, told, grouping) for told in highest),
        newest=tuple(_tried(state, told, grouping) for told in newest),
        standings=_standings(standing, grouping),
        failures=_failures(latest),
        origins={n: origin for n, origin in origins if origin is not None},
    )


def _latest(state: State) -> Iterator[Told]:
    """Give the latest told steps that a model wrote, newest first."""
    first = max(state.told - MAX_LATEST, 0)
    for seq in range(state.told - 1, first - 1, -1):
        told = state.history.entries[seq]
        if told.step.idea or told.step.model:
            yield told


def _is_idea(told: Told) -> bool:
    return bool(told.step.idea) and told.step.status in (Status.OK, Status.DUPLICATE)


def _tried(state: State, told: Told, grouping: Grouping) -> Tried:
    step = told.step
    origin = _origin(state, step.n, grouping) if step.status is Status.OK else None
    return Tried(
        step=step.n,
        operator=step.operator,
        idea=step.idea or "",
        status=str(step.status),
        parent=step.parents[0] if step.parents else None,
        fitness=told.fitness if step.status is Status.OK else None,
        gain=origin[1] if origin else None,
        placement=step.placement,
        duplicate_of=step.duplicate_of,
        kinship=_kinship(state, told),
    )


def _origin(state: State, n: int, grouping: Grouping) -> tuple[int, Gain] | None:
    """Give the first parent of a step and what the step gained on it, if both have scores."""
    told = state.step(n)
    parent = state.step(told.step.parents[0]) if told and told.step.parents else None
    if told is None or parent is None:
        return None
    gained = gain(_scores(told.evaluation), _scores(parent.evaluation), grouping)
    return None if gained is None else (parent.step.n, gained)


def _scores(evaluation: Evaluation | None) -> Mapping[str, float]:
    """Give the scores of a valid program, {} of any other."""
    return evaluation.scores if evaluation and evaluation.status is Status.OK else {}


def _kinship(state: State, told: Told) -> str | None:
    twin = state.step(told.step.duplicate_of) if told.step.duplicate_of is not None else None
    if twin is None:
        return None
    same = "program" if told.step.program == twin.step.program else "outputs"
    if is_rejected(told.step) and same == "outputs":
        return f"much like step {twin.step.n}, so that it was not run"
    return f"the same {same} as step {twin.step.n}"


def _standings(elites: Sequence[Told], grouping: Grouping) -> tuple[Standing, ...]:
    """Give the best, then who leads the subgroups that it does not; elites: best first."""
    leaders: dict[str, tuple[float, Told]] = {}
    for told in elites:
        means = _plain_means(_scores(told.evaluation), grouping)
        for label, mean in means.items():
            if label not in leaders or mean > leaders[label][0]:
                leaders[label] = (mean, told)
    labels: dict[int, list[str]] = {elites[0].step.n: ["best"]} if elites else {}
    for label in sorted(leaders, key=in_order):
        labels.setdefault(leaders[label][1].step.n, []).append(label)
    by_step = {told.step.n: told for told in elites}
    ahead = sorted(labels, key=lambda n: ("best" not in labels[n], -len(labels[n]), n))
    return tuple(_standing(by_step[n], tuple(labels[n]), grouping) for n in ahead)


def _plain_means(scores: Mapping[str, float], grouping: Grouping) -> dict[str, float]:
    """Average by subgroup without standard errors, which is quicker."""
    members: dict[str, list[float]] = {}
    for name, score in scores.items():
        for label in grouping.subgroups.get(name, ()):
            members.setdefault(label, []).append(score)
    return {label: math.fsum(values) / len(values) for label, values in members.items()}


def _standing(told: Told, labels: tuple[str, ...], grouping: Grouping) -> Standing:
    evaluation = told.evaluation
    assert evaluation is not None
    assert evaluation.fitness is not None
    scores = evaluation.scores
    error = estimate(scores, grouping).standard_error if scores else evaluation.se
    return Standing(
        labels=labels,
        step=told.step.n,
        operator=told.step.operator,
        source=told.step.source or "",
        fitness=evaluation.fitness,
        standard_error=error,
        scores=scores,
        subgroups=by_subgroup(scores, grouping),
        idea=told.step.idea or "",
    )


def _failures(latest: Sequence[Told]) -> tuple[Failure, ...]:
    """Give the latest ways to fail that nobody has repaired, those of equal reason once.

    latest: newest first. A failure is repaired if a valid program came of it, perhaps by way of
    other failures.
    """
    times: dict[tuple[str, str], int] = {}
    found: dict[tuple[str, str], Told] = {}
    # Newest first: a step's children are all seen before it.
    rescued: set[int] = set()
    for told in latest:
        step = told.step
        if step.parents and (step.status is Status.OK or step.n in rescued):
            rescued.add(step.parents[0])
        if step.status not in FAILED or step.n in rescued:
            continue
        key = (str(step.status), short_reason(step.reason))
        times[key] = times.get(key, 0) + 1
        found.setdefault(key, told)
    return tuple(
        Failure(told.step.n, told.step.operator, told.step.idea or "", *key, times=times[key])
        for key, told in list(found.items())[:NUM_FAILURES]
    )


def short_reason(reason: str | None) -> str:
    """Give the end of a reason as one line."""
    text = " ".join((reason or "").split())
    return text if len(text) <= REASON_CHARACTERS else "... " + text[4 - REASON_CHARACTERS :]
