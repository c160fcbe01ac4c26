"""Records to rows and back: the one place that knows how a value looks in a column."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Table

from archive import schema
from archive.records import (
    Answer,
    EliteRow,
    Evaluation,
    Kind,
    Look,
    ProgramRow,
    RunRecord,
    Status,
    Step,
    TaskRecord,
)

KINDS = {kind.value: kind for kind in Kind}
STATUSES = {status.value: status for status in Status}

# Made once: `json.dumps` makes one for every call that wants no spaces.
ENCODER = json.JSONEncoder(separators=(",", ":"))

# What summing in another order can change of a mean lies behind the tenth digit.
SIGNIFICANT_DIGITS = 10


def task_values(task: TaskRecord) -> dict[str, Any]:
    """Give the row of a task."""
    return {
        "digest": task.digest,
        "name": text(task.name),
        "spec": tree(task.spec),
        "files": tree(task.files),
    }


def step_values(run: int, step: Step) -> dict[str, Any]:
    """Give the row of a step."""
    return {
        "run": run,
        "n": step.n,
        "asked_after": step.asked_after,
        "kind": step.kind.value,
        "operator": text(step.operator),
        "model": text(step.model),
        "parents": tree(step.parents),
        "source": text(step.source),
        "program": step.program,
        "ran": tree(step.ran),
        "behaviour": step.behaviour,
        "outputs_digest": step.outputs_digest,
        "evaluation": step.evaluation,
        "status": None if step.status is None else step.status.value,
        "reason": text(step.reason),
        "duplicate_of": step.duplicate_of,
        "cell": tree(step.cell),
        "placement": step.placement,
        "told_seq": step.told_seq,
        "usd": step.usd,
        "tokens": step.tokens,
        "idea": text(step.idea),
        "block": step.block,
    }


def evaluation_values(evaluation: Evaluation) -> dict[str, Any]:
    """Give the row of an evaluation, without its id; all of its quality to ten digits."""
    return {
        "task": evaluation.task,
        "world": evaluation.world,
        "stage": evaluation.stage,
        "block": evaluation.block,
        "program": evaluation.program,
        "outputs_digest": evaluation.outputs_digest,
        "status": evaluation.status.value,
        "reason": text(evaluation.reason),
        "fitness": rounded(evaluation.fitness),
        "n": evaluation.n,
        "se": rounded(evaluation.se),
        "scores": tree({name: rounded(score) for name, score in evaluation.scores.items()}),
        "measures": tree({name: rounded(value) for name, value in evaluation.measures.items()}),
        "feedback": tree(evaluation.feedback),
        "wall_s": evaluation.wall_s,
        "cpu_s": evaluation.cpu_s,
        "max_rss_bytes": evaluation.max_rss_bytes,
        "level": evaluation.level,
        "behaviour": evaluation.behaviour,
        "grade_s": evaluation.grade_s,
    }


def answer_values(run: int, answer: Answer) -> dict[str, Any]:
    """Give the row of an answer."""
    return {
        "run": run,
        "n": answer.n,
        "seq": answer.seq,
        "kind": answer.kind,
        "request_digest": answer.request_digest,
        "request": tree(answer.request),
        "state": answer.state,
        "response": tree(answer.response),
        "reserved_usd": answer.reserved_usd,
        "usd": answer.usd,
        "tokens": answer.tokens,
        "reserved_tokens": answer.reserved_tokens,
    }


def elite_values(run: int, elite: EliteRow) -> dict[str, Any]:
    """Give the row of an elite."""
    return {
        "run": run,
        "cell": cell_text(elite.cell),
        "slot": elite.slot,
        "step": elite.step,
        "program": elite.program,
        "fitness": rounded(elite.fitness),
        "n": elite.n,
        "se": rounded(elite.se),
        "confirmed": elite.confirmed,
        "mean": rounded(elite.fitness if elite.mean is None else elite.mean),
        "error": rounded(elite.error),
        "fresh": elite.fresh,
    }


def columns(table: Table, record: type) -> list[Column[Any]]:
    """Give a table's columns in the order of a record's fields."""
    names = (field.name for field in fields(record))
    return [table.c[name if name in table.c else f"{name}_"] for name in names]


TASK = columns(schema.tasks, TaskRecord)
RUN = columns(schema.runs, RunRecord)
STEP = columns(schema.steps, Step)
EVALUATION = columns(schema.evaluations, Evaluation)
ANSWER = columns(schema.answers, Answer)
ELITE = columns(schema.elites, EliteRow)
PROGRAM = columns(schema.programs, ProgramRow)
LOOK = columns(schema.looks, Look)


def _of(table: Table, *names: str) -> list[Column[Any]]:
    return [table.c[name] for name in names]


# What a fold looks at, and what asking wrote.
STEP_FACTS = _of(
    schema.steps,
    *("n", "asked_after", "kind", "operator", "model", "parents", "program", "ran", "behaviour"),
    *("outputs_digest", "status", "duplicate_of", "cell", "placement", "told_seq", "usd"),
    *("tokens", "evaluation"),
)
EVALUATION_FACTS = _of(
    schema.evaluations,
    *("status", "outputs_digest", "fitness", "n", "se", "scores", "measures", "grade_s"),
)
ASKED = _of(schema.steps, "n", "asked_after", "kind", "operator", "model", "parents", "block")
# Words of the facts of running that a fold looks for; where none occurs they are not read.
FOLDED_FACTS = tuple(
    f'"{word}"'
    for word in ("none", "compared", "trusts", "audits", "hurdle", "rejected", "probes_only")
)


def task_of(row: Sequence[Any]) -> TaskRecord:
    """Read a row of `TASK`."""
    digest, name, spec, files = row
    return TaskRecord(digest, name, json.loads(spec), tuple(json.loads(files)))


def run_of(row: Sequence[Any]) -> RunRecord:
    """Read a row of `RUN`."""
    id, name, task, world, settings, rng_seed, lookahead, order, limits, *progress = row
    return RunRecord(
        id,
        name,
        task,
        world,
        json.loads(settings),
        rng_seed,
        lookahead,
        order,
        json.loads(limits),
        *progress,
    )


def step_of(row: Sequence[Any]) -> Step:
    """Read a row of `STEP`."""
    n, asked_after, kind, operator, model, parents, source, program, ran, *later = row
    behaviour, digest, evaluation, status, reason, duplicate_of, cell, *told = later
    return Step(
        n,
        asked_after,
        Kind(kind),
        operator,
        model,
        tuple(json.loads(parents)),
        source,
        program,
        None if ran is None else json.loads(ran),
        behaviour,
        digest,
        evaluation,
        None if status is None else Status(status),
        reason,
        duplicate_of,
        None if cell is None else tuple(json.loads(cell)),
        *told,
    )


def evaluation_of(row: Sequence[Any]) -> Evaluation:
    """Read a row of `EVALUATION`."""
    task, world, stage, block, program, status, digest, reason, fitness, n, se, *trees = row
    scores, measures, feedback, *cost = trees
    return Evaluation(
        task,
        world,
        stage,
        block,
        program,
        Status(status),
        digest,
        reason,
        fitness,
        n,
        se,
        json.loads(scores),
        json.loads(measures),
        json.loads(feedback),
        *cost,
    )


def all_facts_of(row: Sequence[Any]) -> tuple[Step, Evaluation | None, int]:
    """Read a row of `STEP_FACTS`, `EVALUATION_FACTS` and a program's size."""
    return _facts_of(row, ("",))


def facts_of(row: Sequence[Any]) -> tuple[Step, Evaluation | None, int]:
    """Read the same, without the facts of running in which a fold has nothing to look for."""
    return _facts_of(row, FOLDED_FACTS)


def _facts_of(row: Sequence[Any], words: Sequence[str]) -> tuple[Step, Evaluation | None, int]:
    """Read a row; words: one of which must occur in the facts of running, or they are not read."""
    n, asked_after, kind, operator, model, parents, program, ran, behaviour, *later = row
    digest, status, duplicate_of, cell, placement, told_seq, usd, tokens, id, *judged = later
    step = Step(
        n,
        asked_after,
        KINDS[kind],
        operator,
        model,
        _numbers(parents),
        program=program,
        ran=json.loads(ran) if ran and any(word in ran for word in words) else None,
        behaviour=behaviour,
        outputs_digest=digest,
        evaluation=id,
        status=STATUSES[status],
        duplicate_of=duplicate_of,
        cell=None if cell is None else _numbers(cell),
        placement=placement,
        told_seq=told_seq,
        usd=usd,
        tokens=tokens,
    )
    status, digest, fitness, size, se, scores, measures, grade_s, nodes = judged
    if status is None:
        return step, None, nodes or 0
    scores, measures = json.loads(f"[{scores},{measures}]")
    evaluation = Evaluation(
        *("", "", "", 0, program or ""),
        STATUSES[status],
        digest,
        None,
        fitness,
        size,
        se,
        scores,
        measures,
        id=id,
        grade_s=grade_s,
    )
    return step, evaluation, nodes or 0


@lru_cache(maxsize=4096)
def _numbers(text: str) -> tuple[int, ...]:
    """Read a cell or the numbers of parents, which come again and again."""
    return tuple(json.loads(text))


def asked_of(row: Sequence[Any]) -> Step:
    """Read a row of `ASKED`."""
    n, asked_after, kind, operator, model, parents, block = row
    parents = tuple(json.loads(parents))
    return Step(n, asked_after, KINDS[kind], operator, model, parents, block=block)


def answer_of(row: Sequence[Any]) -> Answer:
    """Read a row of `ANSWER`."""
    n, seq, kind, digest, request, state, response, *cost = row
    plain = None if response is None else json.loads(response)
    return Answer(n, seq, kind, digest, json.loads(request), state, plain, *cost)


def elite_of(row: Sequence[Any]) -> EliteRow:
    """Read a row of `ELITE`."""
    cell, *rest = row
    return EliteRow(tuple(json.loads(cell)), *rest)


def look_of(row: Sequence[Any]) -> Look:
    """Read a row of `LOOK`."""
    time, programs, result = row
    return Look(time, tuple(json.loads(programs)), json.loads(result))


def text(value: str | None) -> str | None:
    """Give text that both databases hold: NUL and lone surrogates become escapes (`\\x00`)."""
    if value is None or (value.isascii() and "\0" not in value):
        return value
    return value.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def tree(value: Mapping[str, Any] | Sequence[Any] | None) -> str | None:
    """Write plain values as JSON, in ASCII, so that nothing in them can offend a database."""
    if value is None:
        return None
    return ENCODER.encode(dict(value) if isinstance(value, Mapping) else value)


@lru_cache(maxsize=4096)
def cell_text(cell: tuple[int, ...]) -> str:
    """Write a cell; a confirm step writes the same ones again and again."""
    return ENCODER.encode(cell)


def rounded(value: float | None) -> float | None:
    """Round to ten significant digits. Raises: ValueError for what no score can be."""
    if value is None:
        return None
    if not math.isfinite(value):
        raise ValueError(f"{value} is no score: an output that gives it is `invalid`")
    return float(f"{float(value):.{SIGNIFICANT_DIGITS}g}")
