"""What tables ask of an archive: rows of several tables joined, so that one question is enough."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Executable, case, exists, false, func, or_, select

from archive import rows, schema
from archive.queries import UNSETTLED
from archive.records import JUDGE_SEQ, LIKENESS_SEQ, EliteRow, Kind, RunRecord, Status
from archive.store import Archive

# What stands for the operator where a review of a program called a model.
JUDGE, EMBEDDER = "judge", "embedder"


@dataclass(frozen=True, slots=True)
class ShownElite:
    """An elite, first of all one that its cell shows, with the step that made it.

    source: the exact text. parents: step numbers. measures: means over instances.
    idea: its author's own line.
    """

    elite: EliteRow
    operator: str
    model: str | None
    parents: tuple[int, ...]
    source: str
    measures: Mapping[str, float]
    idea: str | None = None


@dataclass(frozen=True, slots=True)
class OperatorResult:
    """How many told search steps of an operator came to this end."""

    operator: str
    status: Status
    placement: str | None
    steps: int


@dataclass(frozen=True, slots=True)
class CountedSteps:
    """How many told steps have a status; known: of these, how many have a fact that was asked for."""

    status: Status
    steps: int
    known: int


@dataclass(frozen=True, slots=True)
class CreditedStep:
    """A told search step as credit sees it. usd, tokens: of its answers, None where unknown."""

    operator: str
    model: str | None
    placement: str | None
    usd: float | None
    tokens: int | None


@dataclass(frozen=True, slots=True)
class MigratedStep:
    """A told migrate step. idea: where its program came from, None where nothing was new."""

    n: int
    idea: str | None
    placement: str | None


@dataclass(frozen=True, slots=True)
class HashedStep:
    """A told step with the keys under which its program could be recognised.

    facts: what the step keeps of running and probing, {} where there is nothing. evaluation: the id
    of its row; quality: the fitness of that and its measures, as they were written; grade_s: seconds of grading it, 0
    where nobody graded. known_outputs: an older row has the same outputs.
    """

    n: int
    program: str | None
    behaviour: str | None
    outputs_digest: str | None
    facts: Mapping[str, Any]
    evaluation: int | None = None
    quality: tuple[float | None, str] | None = None
    grade_s: float | None = None
    known_outputs: bool = False

    @property
    def served(self) -> bool:
        """Whether its evaluation was taken from the archive."""
        return bool(self.facts.get("served"))

    @property
    def probes_only(self) -> bool:
        """Whether its quality was taken from one that the probes do not tell from it."""
        return bool(self.facts.get("probes_only"))

    @property
    def ran_here(self) -> bool:
        """Whether it has a result of its own."""
        return bool(self.facts) and not self.served and not self.probes_only

    @property
    def seconds(self) -> float | None:
        """Wall time of running behind the wall; None where nobody measured it."""
        return self.facts.get("wall_s")


@dataclass(frozen=True, slots=True)
class Calls:
    """Settled calls of one model for one operator that ended alike.

    failed: without a clean answer. unsettled: nobody knows whether they were billed, so they are
    charged at their reserves. usd, tokens: together; unpriced: how many of them have no known price.
    """

    operator: str
    model: str
    failed: bool
    unsettled: bool
    number: int
    usd: float
    tokens: int
    unpriced: int


def shown_elites(archive: Archive, run: int) -> list[ShownElite]:
    """Give the first elite of every cell of a run, the best first; of equals the lower step."""
    return [held for held in held_elites(archive, run) if held.elite.slot == 0]


def held_elites(archive: Archive, run: int) -> list[ShownElite]:
    """Give all elites of a run, the best first; of equals the lower step."""
    elite, step, evaluation = schema.elites.c, schema.steps.c, schema.evaluations.c
    made = (step.run == elite.run) & (step.n == elite.step)
    question = (
        select(
            *rows.ELITE,
            *(step.operator, step.model, step.parents, step.source, step.idea),
            evaluation.measures,
        )
        .join_from(schema.elites, schema.steps, made)
        .join(schema.evaluations, evaluation.id == step.evaluation)
        .where(elite.run == run)
        .order_by(elite.mean.desc(), elite.step)
    )
    return archive.database.read_as(_shown, question)


def operator_results(archive: Archive, run: int) -> list[OperatorResult]:
    """Count the told search steps, by operator, status and placement."""
    step = schema.steps.c
    by = step.operator, step.status, step.placement
    told = step.run == run, step.told_seq.is_not(None), step.kind == Kind.SEARCH.value
    question = select(*by, func.count()).where(*told).group_by(*by).order_by(*by)
    return archive.database.read_as(_result, question)


def told_by_status(archive: Archive, run: int, facts: Collection[str]) -> list[CountedSteps]:
    """Count the told steps by status, and those of which one of these facts is known."""
    step = schema.steps.c
    known = or_(false(), *(step.ran.contains(f'"{name}":') for name in sorted(facts)))
    numbers = func.count(), func.sum(case((known, 1), else_=0))
    told = step.run == run, step.told_seq.is_not(None)
    question = select(step.status, *numbers).where(*told).group_by(step.status)
    return archive.database.read_as(
        lambda row: CountedSteps(Status(row[0]), row[1], int(row[2])), question
    )


def credited_steps(archive: Archive, run: int) -> list[CreditedStep]:
    """Give the told search steps, in the order of tells."""
    step = schema.steps.c
    told = step.run == run, step.told_seq.is_not(None), step.kind == Kind.SEARCH.value
    columns = step.operator, step.model, step.placement, step.usd, step.tokens
    question = select(*columns).where(*told).order_by(step.told_seq)
    return [CreditedStep(*row) for row in _all(archive, question)]


def migrated_steps(archive: Archive, run: int) -> list[MigratedStep]:
    """Give the told migrate steps, in the order of tells."""
    step = schema.steps.c
    told = step.run == run, step.told_seq.is_not(None), step.kind == Kind.MIGRATE.value
    question = select(step.n, step.idea, step.placement).where(*told).order_by(step.told_seq)
    return [MigratedStep(*row) for row in _all(archive, question)]


def facts_named(archive: Archive, run: int, name: str) -> list[tuple[Any, str | None]]:
    """Give (fact, placement) of every told step whose facts have one of this name, as told."""
    step = schema.steps.c
    told = step.run == run, step.told_seq.is_not(None), step.ran.contains(f'"{name}":')
    question = select(step.ran, step.placement).where(*told).order_by(step.told_seq)
    found = archive.database.read_as(lambda row: (json.loads(row[0]), row[1]), question)
    return [(facts[name], placement) for facts, placement in found if name in facts]


def hashed_steps(archive: Archive, run: int, levels: Collection[str]) -> list[HashedStep]:
    """Give every told step with its keys, in the order of tells.

    levels: of the wall, that older evaluations with the same outputs must have run behind.
    """
    step, own, older = schema.steps.c, schema.evaluations.c, schema.evaluations.alias("older").c
    block = (older[name] == own[name] for name in ("task", "world", "stage", "block"))
    same = older.outputs_digest == own.outputs_digest
    known = exists().where(*block, same, older.level.in_(levels), older.id < own.id)
    question = (
        select(
            *(step.n, step.program, step.behaviour, step.outputs_digest, step.ran),
            *(step.evaluation, own.fitness, own.measures, own.grade_s),
            known,
        )
        .join_from(schema.steps, schema.evaluations, own.id == step.evaluation, isouter=True)
        .where(step.run == run, step.told_seq.is_not(None))
        .order_by(step.told_seq)
    )
    return archive.database.read_as(_hashed, question)


def elite_records(archive: Archive, run: RunRecord) -> list[bytes]:
    """Give the records behind the functional hashes of a run's shown elites, the best first.

    Those that nobody has probed are left out; of one that was served, another run's step knows.
    """
    elite, step, behaviour = schema.elites.c, schema.steps.c, schema.behaviours.c
    question = (
        select(elite.program, behaviour.record)
        .join_from(schema.elites, schema.steps, step.program == elite.program)
        .join(schema.behaviours, behaviour.id == step.behaviour)
        .where(elite.run == run.id, elite.slot == 0, *_same_world(run))
        .order_by(elite.mean.desc(), elite.step)
    )
    return list(dict(_all(archive, question)).values())


def latest_records(archive: Archive, run: RunRecord, number: int) -> list[bytes]:
    """Give the records of the last so many told search steps that were probed, the last first."""
    step, behaviour = schema.steps.c, schema.behaviours.c
    question = (
        select(behaviour.record)
        .join_from(schema.steps, schema.behaviours, behaviour.id == step.behaviour)
        .where(step.run == run.id, step.kind == Kind.SEARCH.value, *_same_world(run))
        .where(step.told_seq.is_not(None))
        .order_by(step.told_seq.desc())
        .limit(number)
    )
    return [record for (record,) in _all(archive, question)]


def calls(archive: Archive, run: int) -> list[Calls]:
    """Count the calls of models that a run settled, by operator and model.

    Those of reviews stand for themselves: operator "judge" or "embedder", and no model, which the
    run's settings name.
    """
    step, answer = schema.steps.c, schema.answers.c
    reviewing = answer.seq >= LIKENESS_SEQ
    operator = case((answer.seq >= JUDGE_SEQ, JUDGE), (reviewing, EMBEDDER), else_=step.operator)
    model = case((reviewing, None), else_=step.model)
    unsettled = answer.response.startswith(UNSETTLED, autoescape=True)
    by = operator, model, answer.state, unsettled
    unknown = func.sum(case((answer.usd.is_(None), 1), else_=0))
    spent = func.coalesce(func.sum(answer.usd), 0.0), func.coalesce(func.sum(answer.tokens), 0)
    question = (
        select(*by, func.count(), *spent, unknown)
        .join_from(schema.answers, schema.steps, (step.run == answer.run) & (step.n == answer.n))
        .where(answer.run == run, answer.kind == "model", answer.state != "sent")
        .group_by(*by)
        .order_by(*by)
    )
    return [
        Calls(operator, model or "", state == "failed", bool(cut), number, usd, int(tokens), blank)
        for operator, model, state, cut, number, usd, tokens, blank in _all(archive, question)
    ]


def level(archive: Archive, run: int) -> str | None:
    """Give the level of the wall that a run's latest evaluation ran behind; None before one."""
    step, evaluation = schema.steps.c, schema.evaluations.c
    question = (
        select(evaluation.level)
        .join_from(schema.steps, schema.evaluations, evaluation.id == step.evaluation)
        .where(step.run == run)
        .order_by(step.n.desc())
        .limit(1)
    )
    found = _all(archive, question)
    return str(found[0][0]) if found else None


def _result(row: Any) -> OperatorResult:
    operator, status, placement, steps = row
    return OperatorResult(operator, Status(status), placement, steps)


def _shown(row: Any) -> ShownElite:
    *elite, operator, model, parents, source, idea, measures = row
    return ShownElite(
        rows.elite_of(elite),
        operator,
        model,
        tuple(json.loads(parents)),
        source,
        json.loads(measures),
        idea,
    )


def _hashed(row: Any) -> HashedStep:
    n, program, behaviour, outputs_digest, ran, evaluation, fitness, measures, grade_s, known = row
    return HashedStep(
        n,
        program,
        behaviour,
        outputs_digest,
        json.loads(ran) if ran else {},
        evaluation,
        None if evaluation is None else (fitness, measures),
        grade_s,
        bool(known),
    )


def _same_world(run: RunRecord) -> Sequence[ColumnElement[bool]]:
    behaviour = schema.behaviours.c
    return behaviour.task == run.task, behaviour.world == run.world


def _all(archive: Archive, question: Executable) -> list[Any]:
    return archive.database.read(question)
