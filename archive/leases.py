"""Leases: one holder per key among all runs and machines, so that no work is done twice.

A lease only saves work and decides nothing: where two hold one key after all (a clock that is
wrong, a holder that outlived its time), the same rows are written twice with the same content.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, or_

from archive.records import RunRecord
from archive.schema import leases
from archive.store import Archive


def acquire(archive: Archive, key: str, run: RunRecord, *, now: float, until: float) -> bool:
    """Take or renew the lease on `key`; gives whether it is held by this run now.

    now, until: seconds since 1970. A lease whose `until` has passed may be taken by anyone, and
    one of an earlier epoch of the same run by its successor.
    """
    row = {"key": key, "run": run.id, "epoch": run.epoch, "until": until}
    insert = archive.database.insert(leases).values(row)
    free = or_(leases.c.until <= now, leases.c.run == run.id)
    take = insert.on_conflict_do_update(index_elements=["key"], set_=row, where=free)

    def work(connection: Connection) -> bool:
        return bool(connection.execute(take).rowcount == 1)

    return archive.database.write("acquire", work)


def release(archive: Archive, key: str, run: RunRecord) -> None:
    """Give the lease back, if this writer still holds it."""
    mine = leases.c.key == key, leases.c.run == run.id, leases.c.epoch == run.epoch

    def work(connection: Connection) -> None:
        connection.execute(delete(leases).where(*mine))

    archive.database.write("release", work)
