"""The archive: runs are created, found and opened for writing here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, and_, case, desc, func, select, update

from archive import rows
from archive.database import Database, OnCommit
from archive.errors import ArchiveError, Misnamed
from archive.journal import Journal
from archive.records import RunRecord, TaskRecord
from archive.schema import runs, tasks

# Of runs that failed before they told anything, as by a wrong file among their settings.
STILLBORN = and_(runs.c.told == 0, func.coalesce(runs.c.stop_reason, "") == "failed")
# A run's name stands in commands that a person copies.
NAME = re.compile(r"\w[\w.+-]*")
# What a column of 64 bits holds.
LARGEST_RNG_SEED = 2**63 - 1


class Archive:
    """The SQL store of runs. Open it with `Archive.open`, close it or use it in a `with`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(
        cls,
        place: str | Path = "evolve.db",
        *,
        create: bool = True,
        on_commit: OnCommit = lambda moment, name: None,
    ) -> Archive:
        """Open an archive, made first if there is none and `create`.

        place: a path, sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME.
        on_commit: called as ("before" | "after", name) around every commit.
        Raises: ArchiveError if there is none, if it is something else, damaged, newer than this
        code, or out of reach.
        """
        return cls(Database.open(place, create=create, on_commit=on_commit))

    @property
    def where(self) -> str:
        """How messages name this archive, passwords hidden."""
        return self.database.where

    def create_run(
        self,
        *,
        task: TaskRecord,
        world: str,
        settings: Mapping[str, Any],
        rng_seed: int,
        lookahead: int,
        order: str,
        limits: Mapping[str, Any],
        started: str,
        name: str | None = None,
    ) -> RunRecord:
        """Write down a new run, named `TASK-1`, `TASK-2`, ... unless it has a name.

        A run of that name that failed before it told anything gives its name up.
        Raises: ArchiveError if the name is taken or cannot be one, or the rng_seed does not fit.
        """
        if name is not None and not NAME.fullmatch(name):
            raise Misnamed(
                f"{name!r} names no run: use letters, digits and . _ - + (no - in front)"
            )
        if not 0 <= rng_seed <= LARGEST_RNG_SEED:
            raise Misnamed(f"rng_seed is {rng_seed}: choose one from 0 to {LARGEST_RNG_SEED}")
        values = {
            "task": task.digest,
            "world": world,
            "settings": rows.tree(settings),
            "rng_seed": rng_seed,
            "lookahead": lookahead,
            "order_": order,
            "limits": rows.tree(limits),
            "started": started,
        } | dict.fromkeys(("epoch", "told", "seconds", "usd", "reserved_usd", "tokens"), 0)

        mine = select(runs.c.id, runs.c.name, runs.c.started)
        made: list[Any] = []  # where a commit's fate is unknown: what each try made, if it did

        def standing(connection: Connection) -> str | None:
            """Give the name of what an earlier try made, if it is there after all."""
            found = (connection.execute(mine.where(runs.c.id == row.id)).first() for row in made)
            return next(
                (row.name for row, there in zip(made, found, strict=True) if row == there), None
            )

        def insert(connection: Connection) -> str:
            if (known := standing(connection)) is not None:
                return known
            new_task = self.database.insert(tasks).values(rows.task_values(task))
            connection.execute(new_task.on_conflict_do_nothing())
            while True:
                chosen = name or _next_name(connection, task.name)
                row = values | {"name": chosen, "gradings": 0}
                new_run = self.database.insert(runs).values(row).on_conflict_do_nothing()
                if connection.execute(new_run).rowcount == 1:
                    made.append(connection.execute(mine.where(runs.c.name == chosen)).one())
                    return chosen
                if (late := standing(connection)) is not None:
                    return late
                if name is not None and not self._put_aside(connection, name):
                    raise Misnamed(f"{self.where}: a run {name!r} exists; choose another name")

        return self.run(self.database.write("create_run", insert))

    def _put_aside(self, connection: Connection, name: str) -> bool:
        """Rename a run of that name that failed before it told anything; give whether there was one."""
        failed = select(runs.c.id).where(runs.c.name == name, STILLBORN)
        run = connection.execute(failed).scalar()
        if run is None or self.database.writer(run) is not None:  # it was resumed
            return False
        aside = _next_name(connection, f"{name}-failed")
        renamed = update(runs).where(runs.c.id == run, STILLBORN).values(name=aside)
        return connection.execute(renamed).rowcount == 1

    def run(self, name: str | None = None) -> RunRecord:
        """Give a run by its name, or the latest; one that failed before it told anything comes last.

        Raises: Misnamed, naming runs like it.
        """
        latest = case((STILLBORN, 0), else_=1).desc(), desc(runs.c.id)
        question = select(*rows.RUN).order_by(*latest).limit(1)
        if name is not None:
            question = question.where(runs.c.name == name)
        for run in self.database.read_as(rows.run_of, question):
            return run
        if name is None:
            raise Misnamed(f"{self.where}: no runs yet; `evolve run TASK` starts one")
        names = [run.name for run in self.runs()]
        near = difflib.get_close_matches(name, names) or names[-3:]
        hint = f"did you mean {', '.join(near)}?" if near else "there are none yet"
        raise Misnamed(f"{self.where}: no run {name!r}; {hint}")

    def runs(self) -> list[RunRecord]:
        """Give all runs, the oldest first."""
        question = select(*rows.RUN).order_by(runs.c.id)
        return self.database.read_as(rows.run_of, question)

    def task(self, digest: str) -> TaskRecord:
        """Give a task that has runs here, by its digest. Raises: ArchiveError."""
        question = select(*rows.TASK).where(tasks.c.digest == digest)
        for task in self.database.read_as(rows.task_of, question):
            return task
        raise ArchiveError(f"{self.where}: no task {digest}")

    def write(self, run: RunRecord) -> Journal:
        """Become the one writer of a run. Raises: RunBusy saying who is, ArchiveError."""
        return Journal(self.database, run)

    def writer(self, run: RunRecord) -> str | None:
        """Say who is writing a run at this moment; None if it rests."""
        return self.database.writer(run.id)

    def writers(self) -> set[int]:
        """Give the ids of all runs that are being written at this moment."""
        return self.database.writers([run.id for run in self.runs()])

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _next_name(connection: Connection, task: str) -> str:
    """Give `TASK-k` with the lowest k above all that are taken."""
    like = runs.c.name.startswith(f"{task}-", autoescape=True)
    names = connection.scalars(select(runs.c.name).where(like))
    numbers = [name.removeprefix(f"{task}-") for name in names]
    taken = [int(number) for number in numbers if number.isdecimal()]
    return f"{task}-{1 + max(taken, default=0)}"
