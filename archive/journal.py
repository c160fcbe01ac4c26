"""The journal: the only writer of a run, one transaction per method.

Each transaction begins with an update of `runs` guarded by this writer's epoch, and can be done
twice with the effect of once. So between any two of them a process may be killed, and when a
server's connection breaks and nobody knows whether the last one was committed, it is done again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Update,
    bindparam,
    delete,
    func,
    select,
    update,
)

from archive import locks, rows
from archive.database import Database
from archive.errors import ArchiveError, BoundReached, ConnectionLost, Fenced, RunBusy
from archive.planning import look_at_tables
from archive.records import (
    CUT_OFF,
    WHY_FAILED,
    Answer,
    EliteRow,
    Evaluation,
    Look,
    RunRecord,
    Status,
    Step,
)
from archive.schema import (
    answers,
    behaviours,
    blocks,
    checkpoints,
    elites,
    evaluations,
    leases,
    looks,
    notes,
    programs,
    runs,
    steps,
)

T = TypeVar("T")
Cell = tuple[int, ...]

# So many checkpoints have their state. A run goes on from one that was told before the oldest of the
# steps at work was asked.
STATES = 4

# How often one transaction is begun; a server that dies of it every time is broken.
TRIES = 3

# What a transaction may change of a run's row; the rest is read once.
COUNTERS = (
    *("epoch", "told", "stop_reason", "seconds"),
    *("usd", "reserved_usd", "tokens", "gradings", "reserved_tokens"),
)

# So many values may stand in one statement.
MOST_VALUES = 1_000

# What other programs and runs may be served: a time-out tells as much of the machine as of the
# program, and stays with its step.
SERVED = (Status.OK, Status.INVALID, Status.CRASHED)


def _its(column: Column[Any]) -> ColumnElement[bool]:
    """Ask for a value of a column; a parameter must not bear the name of a column that is set."""
    return column == bindparam(f"its_{column.name}")


def _step(*first: Column[Any]) -> Update:
    """Set fields of one step; only while these columns are empty."""
    return update(steps).where(_its(steps.c.run), _its(steps.c.n), *(c.is_(None) for c in first))


# What is done at every step is written down once: to build a statement takes longer than to run it.
READ_COUNTERS = select(*(runs.c[name] for name in COUNTERS)).where(_its(runs.c.id))
GUARD = update(runs).where(_its(runs.c.id), _its(runs.c.epoch)).values(epoch=runs.c.epoch)
COUNT = update(runs).where(_its(runs.c.id))
TELL = _step()
WRITE_PROGRAM = _step(steps.c.source, steps.c.program, steps.c.status)
WRITE_RAN, POINT_AT_EVALUATION = _step(steps.c.ran), _step(steps.c.evaluation)
WRITE_RAN_ANEW = _step(steps.c.evaluation, steps.c.told_seq)
EMPTY_CELLS = delete(elites).where(
    _its(elites.c.run), elites.c.cell.in_(bindparam("its_cells", expanding=True))
)
EVALUATION_KEY = ("task", "world", "stage", "block", "program", "level")
FIND_EVALUATION = select(*rows.EVALUATION).where(
    *(_its(evaluations.c[name]) for name in EVALUATION_KEY)
)


class Journal:
    """Writes one run; made by `Archive.write`.

    run: its record, whose counters (`told`, `usd`, `reserved_usd`, `tokens`, `gradings`, `epoch`)
    follow what this journal writes.
    Every method raises Fenced if another writer took over, ArchiveError if the database cannot.
    """

    run: RunRecord

    def __init__(self, database: Database, run: RunRecord) -> None:
        self._database = database
        self.run = run
        # As the transaction that is going on has left it so far.
        self._counted = run
        self._gave_up = self._is_doubtful = False
        self._connection = database.patiently(self._connect)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def ask(self, asked: Sequence[Step]) -> None:
        """Write steps down as asked; a row that exists wins."""
        self._write("ask", lambda connection: self._insert_steps(connection, asked))

    def send(
        self, answer: Answer, *, usd_bound: float | None = None, tokens_bound: int | None = None
    ) -> Answer:
        """Transaction A: write down that a call is about to be made, with its reserves.

        usd_bound, tokens_bound: what spent, reserved and this worst case together must not pass.
        Gives the row that stands: where there is one already, `answer` is not written.
        Raises: BoundReached, with nothing written.
        """
        bounds = {"usd": usd_bound, "tokens": tokens_bound}
        reserves = {"usd": answer.reserved_usd, "tokens": answer.reserved_tokens}

        def work(connection: Connection) -> Answer:
            standing = self._answer(connection, answer)
            if standing is not None:
                return standing
            run = self._counted
            for what, bound in bounds.items():
                if bound is not None:
                    spent = getattr(run, what) + reserves[what]
                    _check_bound(what, spent, getattr(run, f"reserved_{what}"), bound)
            connection.execute(answers.insert().values(rows.answer_values(self.run.id, answer)))
            self._count(connection, **{f"reserved_{what}": more for what, more in reserves.items()})
            return answer

        return self._write("send", work)

    def settle(self, answer: Answer) -> Answer:
        """Transaction B: keep a call's answer, `received` or `failed`, and charge what it cost.

        Gives the row that stands: an answer that is settled stays as it is.
        """
        if answer.state == "sent":
            raise ValueError(
                f"answer ({answer.n}, {answer.seq}) is not settled: `received` or `failed`"
            )

        def work(connection: Connection) -> Answer:
            standing = self._answer(connection, answer)
            if standing is None:
                raise ValueError(f"answer ({answer.n}, {answer.seq}) was never sent")
            if standing.state != "sent":
                return standing
            settled = replace(
                standing,
                state=answer.state,
                response=answer.response,
                usd=answer.usd,
                tokens=answer.tokens,
            )
            values = rows.answer_values(self.run.id, settled)
            connection.execute(update(answers).where(self._is_answer(answer)).values(values))
            self._count(
                connection,
                usd=settled.usd or 0.0,
                reserved_usd=-settled.reserved_usd,
                tokens=settled.tokens or 0,
                reserved_tokens=-settled.reserved_tokens,
            )
            return settled

        return self._write("settle", work)

    def written(
        self,
        n: int,
        *,
        source: str | None,
        program: str | None = None,
        nodes: int | None = None,
        status: Status | None = None,
        reason: str | None = None,
        idea: str | None = None,
    ) -> None:
        """Transaction C: keep what step n's operator wrote, or why there is no program.

        program: its normalised-syntax hash and nodes: its size, where it could be parsed. idea: the
        author's own line about it.
        status: `unwritten` or `invalid`, with the reason, for a program that will not be run.
        """

        def work(connection: Connection) -> None:
            if program is not None:
                row = {"id": program, "source": rows.text(source), "nodes": nodes or 0}
                self._insert_new(connection, programs, [row])
            values = {
                "source": rows.text(source),
                "program": program,
                "status": None if status is None else status.value,
                "reason": rows.text(reason),
                "idea": rows.text(idea),
            }
            connection.execute(WRITE_PROGRAM, values | self._its_step(n))

        self._write("written", work)

    def ran(
        self,
        n: int,
        ran: Mapping[str, Any],
        *,
        outputs_digest: str | None,
        behaviour: tuple[str, bytes | None] | None = None,
        anew: bool = False,
    ) -> None:
        """Transaction D: keep what running step n's program gave.

        behaviour: (functional hash, the canonical record that was hashed; None if it is kept).
        anew: replaces what the row says of it, while nobody has graded or told the step.
        """
        statement = WRITE_RAN_ANEW if anew else WRITE_RAN

        def work(connection: Connection) -> None:
            key = None
            if behaviour is not None:
                key, record = behaviour
                row = {"task": self.run.task, "world": self.run.world, "id": key, "record": record}
                self._insert_new(connection, behaviours, [row] if record is not None else [])
            values = {"ran": rows.tree(ran), "outputs_digest": outputs_digest, "behaviour": key}
            connection.execute(statement, values | self._its_step(n))

        self._write("ran", work)

    def evaluated(self, n: int | None, evaluation: Evaluation, *, graded: int) -> Evaluation:
        """Transaction E: keep an evaluation, and point step n at the row that stands.

        n: None for one that no step points at: of a confirmation, or outside the search.
        graded: how often the run's grader was called for it; counted once per step, or per new row.
        Gives the row that stands, which another run may have written, with its id.
        """
        if evaluation.status not in SERVED:
            raise ValueError(f"{evaluation.status.value} stays with its step, it is no evaluation")

        def work(connection: Connection) -> Evaluation:
            row = rows.evaluation_values(evaluation)
            is_new = self._insert_new(connection, evaluations, [row])
            same = {f"its_{name}": getattr(evaluation, name) for name in EVALUATION_KEY}
            found = connection.execute(FIND_EVALUATION, same).one()
            with self._database.legible(FIND_EVALUATION):
                standing = rows.evaluation_of(found)
            if n is not None:
                pointed = {"evaluation": standing.id} | self._its_step(n)
                is_new = connection.execute(POINT_AT_EVALUATION, pointed).rowcount == 1
            if is_new and graded:
                self._count(connection, gradings=graded)
            return standing

        return self._write("evaluated", work)

    def tell(
        self,
        step: Step,
        *,
        elites: Mapping[Cell, Iterable[EliteRow]],
        asks: Sequence[Step] = (),
        seconds: float,
        totals: Mapping[str, Any] | None = None,
        taught: Mapping[str, float] | None = None,
    ) -> None:
        """Transaction F: tell step number `step.told_seq`, all that follows from it included.

        step: with its told fields. elites: all elites of each changed cell. asks: the steps that
        are now due. seconds: of the run so far, all sittings together. totals: the run in numbers, with
        this step. taught: of a confirm step, what all of them have taught by now.
        """
        told = step.told_seq
        if told is None or step.status is None:
            raise ValueError(f"step {step.n} has no told_seq or no status, it cannot be told")

        def work(connection: Connection) -> None:
            advanced: dict[str, Any] = {"told": told + 1, "seconds": seconds}
            if totals is not None:
                advanced["totals"] = rows.tree(totals)
            if taught is not None:
                advanced["taught"] = rows.tree(taught)
            if self._counted.told != told:
                self._check_told(connection, step)
                return
            self._set(connection, **advanced)
            values = rows.step_values(self.run.id, step)
            kept = {name: values[name] for name in TOLD_FIELDS}
            if connection.execute(TELL, kept | self._its_step(step.n)).rowcount == 0:
                raise ValueError(f"step {step.n} was never asked")
            self._replace_elites(connection, elites)
            self._insert_steps(connection, asks)

        self._write("tell", work)
        look_at_tables(self._database, self.run.told)

    def checkpoint(self, told: int, *, code: str, first: int, history: bytes, state: bytes) -> None:
        """Keep what the fold of the first `told` steps came to, in place of what is there.

        code: by which version of the fold; what others kept goes. first: where the stretch of
        history begins. Of states only the latest few are kept.
        """
        mine = checkpoints.c.run == self.run.id
        row = {"run": self.run.id, "told": told, "code": code, "first": first}
        row |= {"history": history, "state": state}

        def work(connection: Connection) -> None:
            stale = (checkpoints.c.code != code) | (checkpoints.c.told == told)
            connection.execute(delete(checkpoints).where(mine, stale))
            connection.execute(checkpoints.insert().values(row))
            newer = select(checkpoints.c.told).where(mine).order_by(checkpoints.c.told.desc())
            kept = connection.scalars(newer.limit(STATES)).all()
            older = update(checkpoints).where(mine, checkpoints.c.told < kept[-1])
            connection.execute(older.where(checkpoints.c.state.is_not(None)).values(state=None))

        self._write("checkpoint", work)

    def revalue(self, told: int, elites: Mapping[Cell, Iterable[EliteRow]]) -> None:
        """Write elites of cells once more, as they are believed after so many tells.

        Where the archive knows of a later tell, nothing is written: who holds a cell may have changed.
        """

        def work(connection: Connection) -> None:
            if self._counted.told == told:
                self._replace_elites(connection, elites)

        self._write("revalue", work)

    def finish(self, stop_reason: str, seconds: float, why: str | None = None) -> None:
        """Write down why and after how many seconds the run ended.

        why: of one that failed what its user was told; it stands until the run ends again.
        """
        about_run = (notes.c.run == self.run.id) & (notes.c.n == WHY_FAILED)
        row = {"run": self.run.id, "n": WHY_FAILED, "text": rows.text(why)}

        def work(connection: Connection) -> None:
            self._set(connection, stop_reason=stop_reason, seconds=seconds)
            connection.execute(delete(notes).where(about_run))
            if why is not None:
                connection.execute(notes.insert().values(row))

        self._write("finish", work)

    def reopen(self, limits: Mapping[str, Any]) -> None:
        """Give the run new limits, so that it goes on."""

        def work(connection: Connection) -> None:
            self._set(connection, stop_reason=None, limits=rows.tree(limits))

        self._write("reopen", work)
        self.run = replace(self.run, limits=dict(limits))

    def describe(self, stage: str, block: int, instances: Sequence[Mapping[str, Any]]) -> None:
        """Keep what a block's instances are called and how they are grouped, for all runs.

        instances: {"name", "groups": {kind: label}, "unit"}, as the task's author told it.
        """
        row = {
            "task": self.run.task,
            "stage": stage,
            "block": block,
            "instances": rows.tree(instances),
        }
        self._write("describe", lambda connection: self._insert_new(connection, blocks, [row]))

    def note(self, n: int, text: str) -> None:
        """Keep a line about step n."""

        def work(connection: Connection) -> None:
            row = {"run": self.run.id, "n": n, "text": rows.text(text)}
            same = select(notes.c.id).where(*(notes.c[name] == row[name] for name in row))
            if connection.execute(same).first() is None:
                connection.execute(notes.insert().values(row))

        self._write("note", work)

    def look(self, look: Look) -> None:
        """Write down that the hidden test is about to be read; that is visible for ever.

        A look whose result is not known yet has {}; it counts, even if it is cut off.
        """
        row = {
            "run": self.run.id,
            "time": look.time,
            "programs": rows.tree(look.programs),
            "result": rows.tree(look.result),
        }
        self._write("look", lambda connection: self._insert_new(connection, looks, [row]))

    def look_result(self, look: Look) -> None:
        """Add what a look showed to its row; a result that stands is not replaced."""
        pending = (
            (looks.c.run == self.run.id)
            & (looks.c.time == look.time)
            & (looks.c.result == rows.tree({}))
        )

        def work(connection: Connection) -> None:
            result = rows.tree(look.result)
            connection.execute(update(looks).where(pending).values(result=result))

        self._write("look_result", work)

    def close(self) -> None:
        """Let the run go; another writer may take it at once. A server that is gone has let it go."""
        if self._connection.closed:
            return
        lock_file = self._database.lock_file
        try:
            if lock_file is None and not self._connection.invalidated:
                with contextlib.suppress(ConnectionLost), self._database.explained():
                    locks.release_session(self._connection, self.run.id)
        finally:
            self._connection.close()
            if lock_file is not None:
                locks.release_file(lock_file, self.run.id)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _connect(self) -> Connection:
        """Give a connection that holds the run's lock. Raises: RunBusy."""
        connection = self._database.connect()
        try:
            holder = self._lock(connection)
        except BaseException:
            connection.close()
            raise
        if holder is None:
            return connection
        connection.close()
        raise RunBusy(
            f"{self._database.where}: run {self.run.name} is being written by {holder}; "
            "wait until it ends, or stop it with Ctrl-C"
        )

    def _lock(self, connection: Connection) -> str | None:
        if self._database.lock_file is None:
            with self._database.explained():
                return locks.take_session(connection, self.run.id)
        try:
            return locks.take_file(self._database.lock_file, self.run.id)
        except OSError as error:
            raise ArchiveError(
                f"{self._database.lock_file}: cannot be locked ({error.strerror}); "
                "make the archive's folder writable, or use another --archive"
            ) from error

    def _open(self) -> None:
        """Begin a new epoch; what was sent and never settled has failed, at its reserve.

        What the run had leased is given back: those who leased it are dead.
        """

        def work(connection: Connection) -> RunRecord:
            mine = runs.c.id == self.run.id
            sent = answers.c.run == self.run.id, answers.c.state == "sent"
            reserves = answers.c.reserved_usd, answers.c.reserved_tokens
            sums = (func.coalesce(func.sum(reserve), 0) for reserve in reserves)
            usd, tokens = connection.execute(select(*sums).where(*sent)).one()
            failed = {
                "state": "failed",
                "response": rows.tree(CUT_OFF),
                # Nothing reserved: nobody knows a price, or there is none.
                "usd": func.nullif(answers.c.reserved_usd, 0.0),
                "tokens": answers.c.reserved_tokens,
            }
            begin = {
                "epoch": runs.c.epoch + 1,
                "usd": runs.c.usd + usd,
                "tokens": runs.c.tokens + int(tokens),
                "reserved_usd": 0.0,
                "reserved_tokens": 0,
            }
            connection.execute(update(runs).where(mine).values(begin))
            connection.execute(update(answers).where(*sent).values(failed))
            connection.execute(delete(leases).where(leases.c.run == self.run.id))
            question = select(*rows.RUN).where(mine)
            row = connection.execute(question).one()
            with self._database.legible(question):
                return rows.run_of(row)

        # Done twice it begins two epochs, and nobody writes in the first.
        self.run = self._commit("open", work)

    def _write(self, name: str, work: Callable[[Connection], T]) -> T:
        """Do one transaction as long as nobody took the run over. Raises: Fenced."""

        def guarded(connection: Connection) -> tuple[T, RunRecord]:
            self._guard(connection)
            return work(connection), self._counted

        try:
            result, self.run = self._commit(name, guarded)
        except BaseException:  # Ctrl-C, too: was it committed?
            self._is_doubtful = True
            raise
        self._is_doubtful = False
        return result

    def _commit(self, name: str, work: Callable[[Connection], T]) -> T:
        """Do one transaction; again on a new connection if its fate is unknown."""
        if self._gave_up:  # once it was waited for; only if the server is there by now
            self._connection, self._gave_up = self._connect(), False
        for _ in range(TRIES):
            try:
                return self._database.commit(self._connection, name, work)
            except ConnectionLost as error:
                lost, self._is_doubtful = error, True
                self._reconnect()
        raise lost

    def _guard(self, connection: Connection) -> None:
        mine = {"its_id": self.run.id, "its_epoch": self.run.epoch}
        if connection.execute(GUARD, mine).rowcount == 0:
            raise Fenced(
                f"{self._database.where}: another writer took run {self.run.name} over; "
                "this one stops, and wrote nothing since"
            )
        self._counted = self.run
        # Nobody but this writer changes them, but did its last commit go through?
        if self._is_doubtful:
            row = connection.execute(READ_COUNTERS, {"its_id": self.run.id}).one()
            self._counted = replace(self.run, **dict(zip(COUNTERS, row, strict=True)))

    def _reconnect(self) -> None:
        """Find the server again and hold the run's lock again. Raises: ConnectionLost, RunBusy."""
        self._connection.close()
        self._gave_up = True
        # Busy: the server may not have noticed yet that our old session is dead.
        through = ConnectionLost, RunBusy
        self._connection = self._database.patiently(self._connect, through=through)
        self._gave_up = False

    def _set(self, connection: Connection, **values: Any) -> None:
        """Set fields of the run's row."""
        connection.execute(COUNT, values | {"its_id": self.run.id})
        counted = {name: value for name, value in values.items() if name in COUNTERS}
        self._counted = replace(self._counted, **counted)

    def _count(self, connection: Connection, **more: float) -> None:
        """Add to the run's counters: nobody else does while this transaction holds the row."""
        self._set(connection, **{n: getattr(self._counted, n) + m for n, m in more.items()})

    def _check_told(self, connection: Connection, step: Step) -> None:
        """Accept a tell that was done before. Raises: ValueError if it is another one."""
        told_seq = select(steps.c.told_seq).where(self._is_step(step.n))
        if connection.execute(told_seq).scalar() != step.told_seq:
            raise ValueError(f"step {step.n} is not the next to tell as number {step.told_seq}")

    def _replace_elites(
        self, connection: Connection, changed: Mapping[Cell, Iterable[EliteRow]]
    ) -> None:
        if not changed:
            return
        # Many cells at once: a confirm step may change every one of them.
        cells = list(map(rows.cell_text, changed))
        for first in range(0, len(cells), MOST_VALUES):
            some = cells[first : first + MOST_VALUES]
            connection.execute(EMPTY_CELLS, {"its_run": self.run.id, "its_cells": some})
        held = (elite for kept in changed.values() for elite in kept)
        values = [rows.elite_values(self.run.id, elite) for elite in held]
        if values:
            connection.execute(elites.insert(), values)

    def _insert_steps(self, connection: Connection, asked: Sequence[Step]) -> None:
        values = [rows.step_values(self.run.id, step) for step in asked]
        self._insert_new(connection, steps, values)

    def _insert_new(self, connection: Connection, table: Any, values: list[dict[str, Any]]) -> bool:
        """Insert rows, but those that exist; give whether there was a new one."""
        if not values:
            return False
        return connection.execute(self._database.insert_new(table), values).rowcount > 0

    def _answer(self, connection: Connection, answer: Answer) -> Answer | None:
        question = select(*rows.ANSWER).where(self._is_answer(answer))
        row = connection.execute(question).first()
        with self._database.legible(question):
            return None if row is None else rows.answer_of(row)

    def _is_answer(self, answer: Answer) -> Any:
        here = answers.c.run == self.run.id
        return here & (answers.c.n == answer.n) & (answers.c.seq == answer.seq)

    def _its_step(self, n: int) -> dict[str, Any]:
        return {"its_run": self.run.id, "its_n": n}

    def _is_step(self, n: int) -> Any:
        return (steps.c.run == self.run.id) & (steps.c.n == n)


def _check_bound(what: str, spent: float, reserved: float, bound: float) -> None:
    """Refuse a call that could pass a bound. Raises: BoundReached."""
    if spent + reserved > bound:
        unit, shown = ("dollars", ".4f") if what == "usd" else ("tokens", ".0f")
        raise BoundReached(
            what,
            f"this call could bring the run to {spent + reserved:{shown}} {unit}; the bound is "
            f"{bound:{shown}}; `evolve resume --{what} N` raises it",
            for_now=spent <= bound,
        )


# What a tell may write of a step; all else was written when it happened.
TOLD_FIELDS = (
    "told_seq",
    "status",
    "reason",
    "duplicate_of",
    "cell",
    "placement",
    "usd",
    "tokens",
)
