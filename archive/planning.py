"""What PostgreSQL knows of an archive's tables when it plans a statement.

It counts what is in a table now and then, at first after a minute or more. Until then all indexes that
begin alike are alike to it, and it looked for one evaluation among all of a run: a step of a new archive
took more than twice as long after 3,000 steps as it need. So a run has the tables looked at as it grows.
"""

from __future__ import annotations

from sqlalchemy import text

from archive.database import Database
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

    For PostgreSQL; SQLite chooses indexes by what they hold in common with a question.
    Raises: ArchiveError.
    """
    if database.lock_file is not None or told not in AT:
        return
    known = {"tables": list(metadata.tables), "rows": told}
    stale = [name for (name,) in database.read(STALE, known)]
    if stale:
        database.maintain(text(f"ANALYZE {', '.join(sorted(stale))}"))
