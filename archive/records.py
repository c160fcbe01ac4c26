"""The records that the archive keeps and the search believes: one type per thing, no twins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# The response of an answer that a crash cut off; with more keys behind it, of one that failed under
# way. Nobody knows whether such calls were billed: they are charged at their reserve.
CUT_OFF = {"error": "unsettled"}
# The number of the note that says of a run why it failed: it is about no step.
WHY_FAILED = -1
# Effects of a step that are not its operator's are numbered from here: no operator has as many.
LIKENESS_SEQ, JUDGE_SEQ = 1_000_000, 2_000_000


class Status(StrEnum):
    """What became of a step's program; only `OK` can be an elite."""

    OK = "ok"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    OVER_LIMIT = "over_limit"
    UNWRITTEN = "unwritten"


class Kind(StrEnum):
    """What a step does: `confirm` and `reflect` make no program, `migrate` takes one over."""

    INITIAL = "initial"
    SEARCH = "search"
    CONFIRM = "confirm"
    REFLECT = "reflect"
    MIGRATE = "migrate"


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task as its runs know it.

    digest: of everything that decides a grade. spec: task.toml as plain values.
    files: names of the files that entered the digest.
    """

    digest: str
    name: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One search as the archive knows it.

    task: the task's digest. limits: {"steps": n, "evaluations": n, ...}; settings: task settings
    and search settings. told: number of told steps. stop_reason: None while the run has not ended.
    seconds: of all sittings together. started: ISO 8601, UTC. usd: settled dollars, failed and
    unsettled calls included; tokens: of all answers; reserved_usd, reserved_tokens: worst cases of
    calls under way.
    gradings: calls of the grader really made.
    """

    id: int
    name: str
    task: str
    world: str
    settings: Mapping[str, Any]
    rng_seed: int
    lookahead: int
    order: str
    limits: Mapping[str, Any]
    epoch: int = 0
    told: int = 0
    stop_reason: str | None = None
    seconds: float = 0.0
    started: str = ""
    usd: float = 0.0
    reserved_usd: float = 0.0
    tokens: int = 0
    gradings: int = 0
    reserved_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered piece of work: asked, written, run, graded, told.

    Fields behind `parents` are empty until the step has come that far.

    asked_after: the number of told steps whose state it was asked from.
    parents: step numbers. source: the exact text; program: its normalised-syntax hash.
    ran: what running gave, {"status", "reason", "wall_s", "cpu_s", "max_rss_bytes", "level"}.
    behaviour: the functional hash over probes (a prediction). outputs_digest: the sound key.
    evaluation: id of the evaluation row. duplicate_of: the lowest told step it equals.
    cell: bin per measure. placement: "NOT_ADDED", "IMPROVED" or "NEW". told_seq: from 0.
    usd, tokens: of its calls, filled in when it is told; idea: the author's own line about it.
    block: of `valid`, on which a `confirm` step compares its parents; None for other steps.
    """

    n: int
    asked_after: int
    kind: Kind
    operator: str
    model: str | None = None
    parents: tuple[int, ...] = ()
    source: str | None = None
    program: str | None = None
    ran: Mapping[str, Any] | None = None
    behaviour: str | None = None
    outputs_digest: str | None = None
    evaluation: int | None = None
    status: Status | None = None
    reason: str | None = None
    duplicate_of: int | None = None
    cell: tuple[int, ...] | None = None
    placement: str | None = None
    told_seq: int | None = None
    usd: float | None = None
    tokens: int | None = None
    idea: str | None = None
    block: int | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is known of a program on a block.

    fitness: mean raw score over the instances, higher is better; None unless `status` is OK.
    se: standard error of that mean over instances. scores: {instance: score}.
    measures: means over instances. feedback: {instance: text}, empty texts left out.
    wall_s, cpu_s: seconds behind the wall, all instances together; max_rss_bytes: the largest.
    level: of the wall it ran behind. id: None until the archive has given one.
    behaviour: the functional hash over probes, where it was probed; grade_s: seconds of grading, 0
    where nobody graded.
    """

    task: str
    world: str
    stage: str
    block: int
    program: str
    status: Status
    outputs_digest: str | None = None
    reason: str | None = None
    fitness: float | None = None
    n: int = 0
    se: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    feedback: Mapping[str, str] = field(default_factory=dict)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    max_rss_bytes: int = 0
    level: str = ""
    id: int | None = None
    behaviour: str | None = None
    grade_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One effect of an operator: a model's answer, a draft behind the wall, or a query.

    seq: its place among the effects of its step; from LIKENESS_SEQ on those of a review, which asks
    if a program is new. kind: "model", "draft" or "query".
    state: "sent", "received" or "failed". response: plain values, None while `sent`.
    usd, tokens: what it cost, None where unknown. reserved_usd, reserved_tokens: its worst case.
    """

    n: int
    seq: int
    kind: str
    request_digest: str
    request: Mapping[str, Any]
    state: str
    response: Mapping[str, Any] | None = None
    reserved_usd: float = 0.0
    usd: float | None = None
    tokens: int | None = None
    reserved_tokens: int = 0

    @property
    def cut_off(self) -> bool:
        """Whether a crash came before the answer: the call counts, and is to be made again."""
        return self.state == "failed" and self.response == CUT_OFF


@dataclass(frozen=True, slots=True)
class EliteRow:
    """One elite of a run's grid as stored for readers; derived from the told steps.

    cell: bin per measure; slot: 0 is the one shown. fitness, n, se: on the train block.
    mean, error: what is believed of its fitness, by which elites rank, and the standard error of
    that. fresh: instances that it was confirmed on.
    """

    cell: tuple[int, ...]
    slot: int
    step: int
    program: str
    fitness: float
    n: int
    se: float | None
    confirmed: bool = False
    mean: float | None = None
    error: float | None = None
    fresh: int = 0


@dataclass(frozen=True, slots=True)
class Migrant:
    """A program that took a cell of another run's grid. step: of that run."""

    step: int
    program: str
    source: str
    fitness: float


@dataclass(frozen=True, slots=True)
class ProgramRow:
    """A program: `id` is its normalised-syntax hash, `source` the first text that had it.

    nodes: syntax nodes, the size by which the shorter of two equals is preferred.
    """

    id: str
    source: str
    nodes: int


@dataclass(frozen=True, slots=True)
class Look:
    """One read of the hidden test.

    time: ISO 8601, UTC. programs: what was looked at. result: plain values, as they were shown; {}
    while they are not known, and for ever if the look was cut off.
    """

    time: str
    programs: tuple[str, ...]
    result: Mapping[str, Any]
