"""How Alembic reaches an archive: over the connection, and in the transaction, of `store.py`."""

from alembic import context

from archive.schema import metadata

# Batch mode rebuilds a table where SQLite cannot alter it in place.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
