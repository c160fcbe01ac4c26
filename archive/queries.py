"""What can be read from an archive; no question keeps a writer waiting.

run: a run's id everywhere. Steps and evaluations are read in bulk, as plain tuples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Executable,
    Select,
    bindparam,
    case,
    false,
    func,
    or_,
    select,
    true,
)

from archive import rows, schema
from archive.errors import Misnamed
from archive.records import (
    CUT_OFF,
    LIKENESS_SEQ,
    WHY_FAILED,
    Answer,
    EliteRow,
    Evaluation,
    Kind,
    Look,
    Migrant,
    ProgramRow,
    Status,
    Step,
)
from archive.store import Archive

T = TypeVar("T")

# Rows per question when all steps of a run are read: memory stays small, questions stay few.
PAGE = 10_000

# How the response of a call begins whose bill nobody knows; see `records.CUT_OFF`.
UNSETTLED = json.dumps(CUT_OFF, separators=(",", ":"))[:-1]

# What the facts of a program hold whose outputs do not follow from its text, inputs and generator.
UNREPEATABLE = json.dumps({"determinism": "none"}, separators=(",", ":"))[1:-1]

# The same of a program that ran on a part of the train block only.
STOPPED = json.dumps({"hurdle": "stopped"}, separators=(",", ":"))[1:-1]

# What the facts of a program hold that was rejected or trusted: nobody knows its outputs.
NOT_RUN = json.dumps({"probes_only": True}, separators=(",", ":"))[1:-1]

# What a person may type of a program's hash; shorter ones fit too many.
SHORTEST_PREFIX = 4


def steps(archive: Archive, run: int, *, first: int = 0) -> Iterator[Step]:
    """Give all steps from number `first` on, by number."""
    return _paged(archive, run, schema.steps.c.n, first)


def told_steps(archive: Archive, run: int, *, after: int = 0) -> Iterator[Step]:
    """Give the told steps in the order of tells, without the `after` first ones."""
    return _paged(archive, run, schema.steps.c.told_seq, after)


Facts = tuple[Step, Evaluation | None, int]


def told_facts(
    archive: Archive, run: int, *, first: int = 0, all_facts: bool = False
) -> Iterator[Facts]:
    """Give (step, evaluation, nodes) of the told steps, in the order of tells, for a fold.

    first: the number of the tell to begin with. What a fold never looks at is left out: texts
    (source, reason, idea, feedback) and, unless `all_facts`, most of what is known of running. nodes:
    the size of the step's program, 0 where there is none.
    """
    question = _facts_question(rows.STEP_FACTS, rows.EVALUATION_FACTS)
    question = question.order_by(schema.steps.c.told_seq).limit(PAGE)
    of = rows.all_facts_of if all_facts else rows.facts_of
    while True:
        page = _all(archive, question, {"run": run, "first": first})
        with archive.database.legible(question):
            yield from map(of, page)
        if len(page) < PAGE:
            return
        first += PAGE


def told_step(archive: Archive, run: int, told_seq: int) -> Facts:
    """Give (step, evaluation, nodes) of one told step, whole."""
    return _read(archive, _told, _TOLD_STEP, {"run": run, "first": told_seq})[0]


def _told(row: Sequence[Any]) -> Facts:
    own = len(rows.STEP)
    evaluation = None if row[-2] is None else rows.evaluation_of(row[own:-1])
    return rows.step_of(row[:own]), evaluation, row[-1] or 0


def _facts_question(step: list[Column[Any]], evaluation: list[Column[Any]]) -> Select[Any]:
    """Ask for told steps from number `first` on, each with its evaluation and its program's size."""
    table, own, program = schema.steps, schema.evaluations, schema.programs
    return (
        select(*step, *evaluation, program.c.nodes)
        .select_from(table)
        .join(own, own.c.id == table.c.evaluation, isouter=True)
        .join(program, program.c.id == table.c.program, isouter=True)
        .where(table.c.run == bindparam("run"), table.c.told_seq >= bindparam("first"))
    )


_TOLD_STEP = _facts_question(rows.STEP, rows.EVALUATION).where(
    schema.steps.c.told_seq == bindparam("first")
)


def asked_steps(archive: Archive, run: int, told: int = 0) -> Iterator[Step]:
    """Give the steps by number, as they were asked: nothing that came later is in them.

    told: those are left out that were among the first so many tells.
    """
    table = schema.steps.c
    wanted = table.run == run, or_(table.told_seq.is_(None), table.told_seq >= told)
    question = select(*rows.ASKED).where(*wanted).order_by(table.n).limit(PAGE)
    first = 0
    while True:
        page = _all(archive, question.where(table.n >= first))
        with archive.database.legible(question):
            yield from map(rows.asked_of, page)
        if len(page) < PAGE:
            return
        first = page[-1][0] + 1


class Checkpoint(NamedTuple):
    """What a run's fold kept when so many steps were told: see `Journal.checkpoint`."""

    history: bytes
    state: bytes | None


def checkpoints(archive: Archive, run: int, code: str) -> list[tuple[int, int, bool]]:
    """Give (told, first, whether it has its state) of a run's checkpoints by this code, in order."""
    table = schema.checkpoints.c
    question = select(table.told, table.first, table.state.is_not(None))
    mine = table.run == run, table.code == code
    return [tuple(row) for row in _all(archive, question.where(*mine).order_by(table.told))]


def checkpoint(archive: Archive, run: int, told: int, code: str) -> Checkpoint | None:
    """Give what a run's fold by this code kept when so many steps were told; None if it is gone."""
    table = schema.checkpoints.c
    mine = table.run == run, table.told == told, table.code == code
    found = _all(archive, select(table.history, table.state).where(*mine))
    return Checkpoint(*found[0]) if found else None


def asked_numbers(archive: Archive, run: int) -> set[int]:
    """Give the numbers of all steps that have a row."""
    return {n for (n,) in _all(archive, select(schema.steps.c.n).where(schema.steps.c.run == run))}


def num_asked(archive: Archive, run: int) -> tuple[int, int]:
    """Give how many steps have a row, and the highest of their numbers, -1 if there is none."""
    table = schema.steps.c
    question = select(func.count(), func.coalesce(func.max(table.n), -1)).where(table.run == run)
    number, highest = _all(archive, question)[0]
    return number, highest


def untold_steps(archive: Archive, run: int) -> list[Step]:
    """Give the steps that are asked and not told, by number."""
    table = schema.steps.c
    question = select(*rows.STEP).where(table.run == run, table.told_seq.is_(None))
    return _read(archive, rows.step_of, question.order_by(table.n))


def step(archive: Archive, run: int, n: int) -> Step | None:
    """Give one step, None if it was never asked."""
    question = select(*rows.STEP).where(schema.steps.c.run == run, schema.steps.c.n == n)
    found = _read(archive, rows.step_of, question)
    return found[0] if found else None


def evaluations(archive: Archive, run: int) -> dict[int, Evaluation]:
    """Give the evaluations that a run's steps point at, by id."""
    table = schema.evaluations.c
    pointed = select(schema.steps.c.evaluation).where(schema.steps.c.run == run)
    question = select(*rows.EVALUATION).where(table.id.in_(pointed))
    found = _read(archive, rows.evaluation_of, question)
    return {evaluation.id: evaluation for evaluation in found if evaluation.id is not None}


def migrants(archive: Archive, run: int, *, first: int, before: int) -> list[Migrant]:
    """Give the programs that took a cell in the tells from `first` to before `before`, in order.

    Each stands once. What a `migrate` step brought is left out: it was found elsewhere.
    """
    step, evaluation = schema.steps.c, schema.evaluations.c
    question = (
        select(step.n, step.program, step.source, evaluation.fitness)
        .join_from(schema.steps, schema.evaluations, evaluation.id == step.evaluation)
        .where(step.run == run, step.told_seq >= first, step.told_seq < before)
        .where(step.status == Status.OK.value, step.placement.in_(("NEW", "IMPROVED")))
        .where(step.kind != Kind.MIGRATE.value, evaluation.fitness.is_not(None))
        .order_by(step.told_seq)
    )
    return [Migrant(*row) for row in _all(archive, question)]


def find_evaluation(
    archive: Archive,
    *,
    task: str,
    world: str,
    stage: str,
    block: int,
    program: str,
    levels: Collection[str] | None = None,
) -> Evaluation | None:
    """Give what is known of a program on a block, whichever run found it out.

    levels: of the wall; what was found behind others is left out. None for any.
    """
    return _find(archive, task, world, stage, block, "program", program, levels)


def find_digest(
    archive: Archive,
    *,
    task: str,
    world: str,
    stage: str,
    block: int,
    outputs_digest: str,
    levels: Collection[str] | None = None,
) -> Evaluation | None:
    """Give an evaluation with these outputs, the oldest: equal outputs, equal grades.

    levels: as of `find_evaluation`.
    """
    return _find(archive, task, world, stage, block, "outputs_digest", outputs_digest, levels)


def find_behaviour(
    archive: Archive,
    *,
    task: str,
    world: str,
    stage: str,
    block: int,
    behaviour: str,
    levels: Collection[str] | None = None,
) -> Evaluation | None:
    """Give an evaluation of a program with this functional hash, the oldest.

    levels: as of `find_evaluation`.
    """
    return _find(archive, task, world, stage, block, "behaviour", behaviour, levels)


def totals(archive: Archive, run: int) -> Any:
    """Give the told steps of a run in numbers, as it kept them; None where no row tells."""
    question = select(schema.runs.c.totals).where(schema.runs.c.id == run)
    return _read(archive, lambda row: None if row[0] is None else json.loads(row[0]), question)[0]


def taught(archive: Archive, run: int) -> Mapping[str, Any] | None:
    """Give what the confirm steps of a run have taught; None where no row tells."""
    question = select(schema.runs.c.taught).where(schema.runs.c.id == run)
    return _read(archive, lambda row: None if row[0] is None else json.loads(row[0]), question)[0]


def evaluation(archive: Archive, id: int) -> Evaluation:
    """Give an evaluation by its id, which a step points at."""
    question = select(*rows.EVALUATION).where(schema.evaluations.c.id == id)
    return _read(archive, rows.evaluation_of, question)[0]


def elites(archive: Archive, run: int) -> list[EliteRow]:
    """Give a run's elites, the best first by what is believed of them; of equals the lower step."""
    table = schema.elites.c
    question = select(*rows.ELITE).where(table.run == run)
    ordered = question.order_by(table.mean.desc(), table.step)
    return _read(archive, rows.elite_of, ordered)


def best_fitness(archive: Archive) -> dict[int, float]:
    """Give what is believed of the best elite of every run that has one: of the best that was
    confirmed, of all where none was."""
    table = schema.elites.c
    confirmed = func.max(case((table.confirmed, table.mean)))
    best = func.coalesce(confirmed, func.max(table.mean))
    question = select(table.run, best).group_by(table.run)
    return dict(_all(archive, question))


def program(archive: Archive, prefix: str) -> ProgramRow:
    """Give the program whose id begins with `prefix`, of whatever run.

    Raises: Misnamed if there is none, or more than one.
    """
    if len(prefix) < SHORTEST_PREFIX or not prefix.isalnum():
        raise Misnamed(f"program {prefix!r}: write at least {SHORTEST_PREFIX} letters of its id")
    like = schema.programs.c.id.startswith(prefix, autoescape=True)
    found = [ProgramRow(*row) for row in _all(archive, select(*rows.PROGRAM).where(like).limit(4))]
    exact = [row for row in found if row.id == prefix]
    if len(found) == 1 or exact:
        return (exact or found)[0]
    if not found:
        raise Misnamed(f"{archive.where}: no program {prefix}; `evolve elites` shows the best")
    ids = ", ".join(row.id for row in found[:3])
    raise Misnamed(f"program {prefix} could be {ids}{', ...' if found[3:] else ''}; write more")


def program_nodes(archive: Archive, run: int) -> dict[str, int]:
    """Give the sizes of a run's programs, in syntax nodes, by id."""
    written = select(schema.steps.c.program).where(schema.steps.c.run == run)
    table = schema.programs.c
    question = select(table.id, table.nodes).where(table.id.in_(written))
    return dict(_all(archive, question))


def step_of_program(archive: Archive, program: str, run: int | None = None) -> tuple[int, Step]:
    """Give the first step that wrote a program, with its run's id: in `run`, else in the latest.

    Raises: Misnamed if no step did.
    """
    table = schema.steps.c
    wanted = (
        table.program == program if run is None else (table.program == program) & (table.run == run)
    )
    question = select(table.run, *rows.STEP).where(wanted).order_by(table.run.desc(), table.n)
    found = _read(archive, lambda row: (row[0], rows.step_of(row[1:])), question.limit(1))
    if not found:
        raise Misnamed(f"{archive.where}: no step wrote program {program}")
    return found[0]


def answers(archive: Archive, run: int, n: int | None = None) -> list[Answer]:
    """Give the answers of step n, or of all steps, in the order of (n, seq)."""
    values = {"run": run} if n is None else {"run": run, "n": n}
    return _read(archive, rows.answer_of, _answering(n is not None), values)


@cache
def _answering(of_one: bool) -> Select[Any]:
    """Ask for the answers of a run, or of one of its steps; built once."""
    table = schema.answers.c
    one = table.n == bindparam("n") if of_one else true()
    wanted = table.run == bindparam("run"), one
    return select(*rows.ANSWER).where(*wanted).order_by(table.n, table.seq)


def notes(archive: Archive, run: int, n: int | None = None) -> list[tuple[int, str]]:
    """Give (step, text) of the notes on step n, or on all steps, as they were written."""
    table = schema.notes.c
    wanted = table.n >= 0 if n is None else table.n == n
    question = select(table.n, table.text).where(table.run == run, wanted)
    return [(step, text) for step, text in _all(archive, question.order_by(table.n, table.id))]


def why_failed(archive: Archive) -> dict[int, str]:
    """Give what was told when it failed last of every run that did not come to an end since."""
    table = schema.notes.c
    return dict(_all(archive, select(table.run, table.text).where(table.n == WHY_FAILED)))


def looks(archive: Archive, run: int) -> list[Look]:
    """Give every read of the hidden test, the oldest first."""
    question = select(*rows.LOOK).where(schema.looks.c.run == run).order_by(schema.looks.c.time)
    return _read(archive, rows.look_of, question)


def block(archive: Archive, *, task: str, stage: str, block: int) -> list[dict[str, Any]] | None:
    """Give a block's instances as `Journal.describe` kept them; None if nobody has told yet."""
    table = schema.blocks.c
    same = table.task == task, table.stage == stage, table.block == block
    found = _read(archive, lambda row: json.loads(row[0]), select(table.instances).where(*same))
    return found[0] if found else None


def behaviour_of(archive: Archive, *, task: str, world: str, program: str) -> str | None:
    """Give the functional hash of a program, from any step of any run that has it."""
    step, run = schema.steps.c, schema.runs.c
    question = (
        select(step.behaviour)
        .join_from(schema.steps, schema.runs, run.id == step.run)
        .where(step.program == program, step.behaviour.is_not(None))
        .where(run.task == task, run.world == world)
        .limit(1)
    )
    found = _all(archive, question)
    return str(found[0][0]) if found else None


def costs(archive: Archive, run: int, n: int) -> list[tuple[float | None, int]]:
    """Give (dollars, tokens) of the calls of step n whose bills are known, failed ones included.

    Those of its operator: what reviewing its program costs is the run's.
    """
    table = schema.answers.c
    known = (
        (table.run == run)
        & (table.n == n)
        & (table.kind == "model")
        & (table.seq < LIKENESS_SEQ)
        & table.state.in_(("received", "failed"))
        & ~table.response.startswith(UNSETTLED, autoescape=True)
    )
    question = select(table.usd, table.tokens).where(known).order_by(table.seq)
    return [(usd, tokens or 0) for usd, tokens in _all(archive, question)]


def behaviour(archive: Archive, *, task: str, world: str, id: str) -> bytes | None:
    """Give the canonical record behind a functional hash."""
    table = schema.behaviours.c
    same = table.task == task, table.world == world, table.id == id
    found = _all(archive, select(table.record).where(*same))
    return found[0][0] if found else None


@dataclass(frozen=True, slots=True)
class Counts:
    """A run in numbers, of told steps only but `asked`.

    digests: different outputs digests among told steps, `confirm` apart; a program that does not
    repeat counts as one, and so does one that stopped at the hurdle.
    syntax_duplicates, behaviour_duplicates: duplicates of a step with the same program, with
    another program of the same outputs.
    """

    asked: int
    told: int
    by_kind: Mapping[Kind, int]
    by_status: Mapping[Status, int]
    by_operator: Mapping[tuple[str, str | None], int]
    digests: int
    syntax_duplicates: int
    behaviour_duplicates: int


def counts(archive: Archive, run: int) -> Counts:
    """Count a run's steps. Dollars, tokens and gradings stand in its RunRecord."""
    table = schema.steps.c
    mine, told = table.run == run, table.told_seq.is_not(None)
    first = schema.steps.alias("first").c
    is_first = (first.run == table.run) & (first.n == table.duplicate_of)
    duplicates = (
        select(first.program == table.program, func.count())
        .join_from(schema.steps, first.n.table, is_first)
        .where(mine, told, table.status == Status.DUPLICATE.value)
        .where(table.outputs_digest.is_not(None) | ~table.ran.contains(NOT_RUN))
        .group_by(first.program == table.program)
    )
    kinds = _counted(archive, mine & told, table.kind)
    statuses = _counted(archive, mine & told, table.status)
    with archive.database.legible(select(schema.steps)):
        by_kind = {Kind(kind): number for kind, number in kinds}
        by_status = {Status(status): number for status, number in statuses}
    operators = _counted(archive, mine & told, table.operator, table.model)
    searched = mine & told & (table.kind != Kind.CONFIRM.value)
    digests = select(func.count(table.outputs_digest.distinct())).where(searched)
    # What does not repeat has no digest, nor what stopped early: each is one of its own.
    is_ok = table.status == Status.OK.value
    unrepeatable = searched & is_ok & table.ran.contains(UNREPEATABLE)
    stopped = searched & table.ran.contains(STOPPED) & (table.status == Status.OK.value)
    others = select(func.count()).where(unrepeatable | stopped)
    equal = {bool(same): number for same, number in _all(archive, duplicates)}
    return Counts(
        asked=_all(archive, select(func.count()).where(mine))[0][0],
        told=sum(by_kind.values()),
        by_kind=by_kind,
        by_status=by_status,
        by_operator={(operator, model): number for operator, model, number in operators},
        digests=_all(archive, digests)[0][0] + _all(archive, others)[0][0],
        syntax_duplicates=equal.get(True, 0),
        behaviour_duplicates=equal.get(False, 0),
    )


def _paged(archive: Archive, run: int, by: Column[Any], first: int) -> Iterator[Step]:
    """Give steps in the order of a column, in pages, with no transaction open between them."""
    wanted = select(by, *rows.STEP).where(schema.steps.c.run == run).order_by(by).limit(PAGE)
    while True:
        page = _all(archive, wanted.where(by >= first))
        with archive.database.legible(wanted):
            yield from (rows.step_of(row[1:]) for row in page)
        if len(page) < PAGE:
            return
        first = page[-1][0] + 1


def _find(
    archive: Archive,
    task: str,
    world: str,
    stage: str,
    block: int,
    key: str,
    value: str,
    levels: Collection[str] | None,
) -> Evaluation | None:
    values = {"task": task, "world": world, "stage": stage, "block": block, "value": value}
    behind = None if levels is None else len(levels)
    values |= {f"level_{number}": level for number, level in enumerate(levels or ())}
    found = _read(archive, rows.evaluation_of, _finding(key, behind), values)
    return found[0] if found else None


@cache
def _finding(key: str, behind: int | None) -> Select[Any]:
    """Ask for the oldest evaluation on a block with some key; built once, since steps ask it often.

    behind: how many levels of the wall will do; None for any. Each is a parameter of its own: a list of
    unknown length would be written anew for every question.
    """
    table = schema.evaluations.c
    here = (table[name] == bindparam(name) for name in ("task", "world", "stage", "block"))
    any_of = (table.level == bindparam(f"level_{number}") for number in range(behind or 0))
    levels = true() if behind is None else or_(false(), *any_of)
    same = table[key] == bindparam("value")
    return select(*rows.EVALUATION).where(*here, same, levels).order_by(table.id).limit(1)


def _counted(archive: Archive, wanted: ColumnElement[bool], *by: Column[Any]) -> list[Any]:
    return _all(archive, select(*by, func.count()).where(wanted).group_by(*by).order_by(*by))


def _all(
    archive: Archive, question: Executable, values: Mapping[str, Any] | None = None
) -> list[Any]:
    return archive.database.read(question, values)


def _read(
    archive: Archive,
    of: Callable[[Any], T],
    question: Select[Any],
    values: Mapping[str, Any] | None = None,
) -> list[T]:
    return archive.database.read_as(of, question, values)
