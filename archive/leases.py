"""Leases: one holder per key among all runs, processes and machines, so no work is done twice.

A lease saves work and decides nothing. Where two hold one key after all (a holder that outlived
its time, a writer whose server was restarted), the same rows are written twice with the same
content, and the first of them stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    Connection,
    Double,
    bindparam,
    cast,
    delete,
    extract,
    func,
    select,
)

from archive.database import Database
from archive.records import RunRecord
from archive.schema import leases, runs

T = TypeVar("T")

# Who holds a key, and the epoch that its run has reached.
HOLDER = (
    select(leases.c.run, leases.c.epoch, runs.c.epoch)
    .join_from(leases, runs, runs.c.id == leases.c.run, isouter=True)
    .where(leases.c.key == bindparam("key"))
)
GIVE_BACK = delete(leases).where(
    *(leases.c[name] == bindparam(f"its_{name}") for name in ("key", "run", "epoch"))
)


class Leases:
    """Takes and gives back leases for the writer of one run.

    run: open for writing by this process, at this epoch. To others a lease is only as alive as its
    writer: it is free once nobody holds the run's lock or the run was opened again, so what a
    killed process held is free as soon as the database notices, which takes milliseconds. Its rows
    go when the run is opened again.
    Every write is a statement of its own, on no run's connection, and doing it twice has
    the effect of once: it waits, as a journal does, for a server that is being restarted.
    Raises: ArchiveError if the database cannot, ConnectionLost if the server stays away.
    """

    def __init__(self, database: Database, run: RunRecord) -> None:
        self._database = database
        self._run, self._epoch = run.id, run.epoch
        self._take = self._taking()

    def take(self, key: str, seconds: float) -> bool:
        """Take `key`, unless another holds it; give whether this run holds it now.

        seconds: after which anyone may take it over, though its holder lives: longer than the work
        takes. Of many that take one free key, one gets it. Taking one's own again renews it.
        """
        holder = self._seize(key, seconds, NOBODY)
        if holder is None:
            return True
        if self._is_alive(holder):
            return False
        return self._seize(key, seconds, holder) is None

    def release(self, key: str) -> None:
        """Give `key` back; what another took over stays with it."""

        values = {"its_key": key, "its_run": self._run, "its_epoch": self._epoch}

        def work(connection: Connection) -> None:
            connection.execute(GIVE_BACK, values)

        self._write("release", work)

    def _seize(self, key: str, seconds: float, dead: _Holder) -> _Holder | None:
        """Take `key` if it is free, run out, ours or held by `dead`; else give who holds it."""
        values = {
            "key": key,
            **{"run": self._run, "epoch": self._epoch, "seconds": seconds, "now": time.time()},
            **{"dead_run": dead.run, "dead_epoch": dead.epoch},
        }

        def work(connection: Connection) -> _Holder | None:
            while connection.execute(self._take, values).rowcount == 0:
                found = connection.execute(HOLDER, {"key": key}).first()
                if found is not None:  # else it was given back in between
                    return _Holder(*found)
            return None

        return self._write("take", work)

    def _is_alive(self, holder: _Holder) -> bool:
        if holder.epoch != holder.run_epoch:
            return False
        return self._database.patiently(lambda: self._database.writer(holder.run)) is not None

    def _taking(self) -> Any:
        """Give the statement that takes a key; built once, since every grading takes one."""
        run, epoch, until = leases.c.run, leases.c.epoch, leases.c.until
        # By the one clock that all who share the archive read; a SQLite archive belongs to one machine.
        own = self._database.lock_file is not None
        now: Any = (
            bindparam("now", type_=Double)
            if own
            else cast(extract("epoch", func.clock_timestamp()), Double)
        )
        ours = (run == bindparam("run")) & (epoch <= bindparam("epoch"))
        of_the_dead = (run == bindparam("dead_run")) & (epoch == bindparam("dead_epoch"))
        row = {
            "run": bindparam("run"),
            "epoch": bindparam("epoch"),
            "until": now + bindparam("seconds", type_=Double),
        }
        take = self._database.insert(leases).values(row | {"key": bindparam("key")})
        may_take = (until <= now) | ours | of_the_dead
        return take.on_conflict_do_update(index_elements=["key"], set_=row, where=may_take)

    def _write(self, name: str, work: Callable[[Connection], T]) -> T:
        return self._database.write(name, work, single=True)


class _Holder(NamedTuple):
    """The writer that holds a key, and the epoch that its run has reached; None if it is gone."""

    run: int
    epoch: int
    run_epoch: int | None


NOBODY = _Holder(-1, -1, None)
