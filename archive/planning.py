"""What PostgreSQL knows of an archive's tables when it plans a statement.

It counts what is in a table now and then, at first after a minute or more. Until then all indexes that
begin alike are alike to it, and it looked for one evaluation among all of a run: after 3,000 steps a new
archive took half as long again for a step, and ever longer. So a run has the tables looked at as it grows.
"""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import text

from archive.database import Database
from archive.errors import ArchiveError
from archive.schema import metadata

# After so many told steps of a run the tables are looked at, if nobody has since they were as large. Of
# fewer rows it would read all, and go on so while they grow.
AT = frozenset((300, 3_000, 30_000))

STALE = text(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND pg_table_is_visible(oid)"
    " AND relname = ANY(:tables) AND reltuples < :rows"
)


def look_at_tables(database: Database, told: int) -> None:
    """Have the server look at tables of which it knows nothing, or fewer rows than `told`.

    For PostgreSQL; SQLite chooses indexes by what they hold in common with a question. What a server
    refuses, by a time limit of its own for instance, is left: it will look at them by itself.
    """
    if database.lock_file is not None or told not in AT:
        return
    known = {"tables": list(metadata.tables), "rows": told}
    with suppress(ArchiveError):  # the step is told; a server that is gone is met at the next write
        stale = [name for (name,) in database.read(STALE, known)]
        if stale:
            database.maintain(text(f"ANALYZE {', '.join(sorted(stale))}"))
