"""What tables ask of an archive: rows of several tables joined, so that one question is enough."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Executable, case, func, select

from archive import rows, schema
from archive.queries import UNSETTLED
from archive.records import JUDGE_SEQ, LIKENESS_SEQ, EliteRow, Kind, RunRecord
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


def credited_steps(archive: Archive, run: int, number: int) -> list[CreditedStep]:
    """Give the last so many told search steps, in the order of tells."""
    step = schema.steps.c
    told = step.run == run, step.told_seq.is_not(None), step.kind == Kind.SEARCH.value
    columns = step.operator, step.model, step.placement, step.usd, step.tokens
    latest = select(*columns).where(*told).order_by(step.told_seq.desc()).limit(number)
    return [CreditedStep(*row) for row in reversed(_all(archive, latest))]


def migrated_steps(archive: Archive, run: int) -> list[MigratedStep]:
    """Give the told migrate steps, in the order of tells."""
    step = schema.steps.c
    told = step.run == run, step.told_seq.is_not(None), step.kind == Kind.MIGRATE.value
    question = select(step.n, step.idea, step.placement).where(*told).order_by(step.told_seq)
    return [MigratedStep(*row) for row in _all(archive, question)]


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


def _same_world(run: RunRecord) -> Sequence[ColumnElement[bool]]:
    behaviour = schema.behaviours.c
    return behaviour.task == run.task, behaviour.world == run.world


def _all(archive: Archive, question: Executable) -> list[Any]:
    return archive.database.read(question)
