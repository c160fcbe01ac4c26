"""The tables of the archive, for SQLite and PostgreSQL alike.

Columns are named like the fields of `archive.records`, but `order_` (`order` is a word of SQL).
Trees of plain values are JSON in text columns, in ASCII: text that both databases hold.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

# The newest revision of archive/migrations, so that opening a current archive costs one query.
VERSION = "evolve_0006"

# Named constraints, so that a later migration can speak of them on both databases.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# SQLite gives numbers to rows of its own only under the type INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")

tasks = Table(
    "tasks",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("spec", Text, nullable=False),
    Column("files", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("task", Text, ForeignKey("tasks.digest"), nullable=False),
    Column("world", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("rng_seed", BigInteger, nullable=False),
    Column("lookahead", Integer, nullable=False),
    Column("order_", Text, nullable=False),
    Column("limits", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    Column("stop_reason", Text),
    Column("seconds", Double, nullable=False),
    Column("started", Text, nullable=False),
    Column("usd", Double, nullable=False),
    Column("reserved_usd", Double, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("gradings", Integer, nullable=False),
    Column("reserved_tokens", BigInteger, nullable=False, server_default="0"),
    Column("taught", Text),
    Column("totals", Text),
)

blocks = Table(
    "blocks",
    metadata,
    Column("task", Text, ForeignKey("tasks.digest"), primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("instances", Text, nullable=False),
)

programs = Table(
    "programs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("nodes", Integer, nullable=False),
)

behaviours = Table(
    "behaviours",
    metadata,
    Column("task", Text, primary_key=True),
    Column("world", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("record", LargeBinary, nullable=False),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("task", Text, nullable=False),
    Column("world", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("block", BigInteger, nullable=False),
    Column("program", Text, nullable=False),
    Column("outputs_digest", Text),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("fitness", Double),
    Column("n", Integer, nullable=False),
    Column("se", Double),
    Column("scores", Text, nullable=False),
    Column("measures", Text, nullable=False),
    Column("feedback", Text, nullable=False),
    Column("wall_s", Double, nullable=False),
    Column("cpu_s", Double, nullable=False),
    Column("max_rss_bytes", BigInteger, nullable=False),
    Column("level", Text, nullable=False),
    Column("behaviour", Text),
    Column("grade_s", Double, nullable=False, server_default="0"),
    UniqueConstraint(
        *("task", "world", "stage", "block", "program", "level"), name="uq_evaluations_program"
    ),
    Index("ix_evaluations_digest", "task", "world", "stage", "block", "outputs_digest"),
    Index("ix_evaluations_behaviour", "task", "world", "stage", "block", "behaviour"),
)

steps = Table(
    "steps",
    metadata,
    Column("run", Integer, ForeignKey("runs.id"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("asked_after", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("model", Text),
    Column("parents", Text, nullable=False),
    Column("source", Text),
    Column("program", Text, ForeignKey("programs.id"), index=True),
    Column("ran", Text),
    Column("behaviour", Text),
    Column("outputs_digest", Text),
    Column("evaluation", RowId, ForeignKey("evaluations.id")),
    Column("status", Text),
    Column("reason", Text),
    Column("duplicate_of", Integer),
    Column("cell", Text),
    Column("placement", Text),
    Column("told_seq", Integer),
    Column("usd", Double),
    Column("tokens", BigInteger),
    Column("idea", Text),
    Column("block", BigInteger),
    UniqueConstraint("run", "told_seq", name="uq_steps_told_seq"),
)

answers = Table(
    "answers",
    metadata,
    Column("run", Integer, ForeignKey("runs.id"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("request_digest", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("response", Text),
    Column("reserved_usd", Double, nullable=False),
    Column("usd", Double),
    Column("tokens", BigInteger),
    Column("reserved_tokens", BigInteger, nullable=False, server_default="0"),
)

elites = Table(
    "elites",
    metadata,
    Column("run", Integer, ForeignKey("runs.id"), primary_key=True),
    Column("cell", Text, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("step", Integer, nullable=False),
    Column("program", Text, nullable=False),
    Column("fitness", Double, nullable=False),
    Column("n", Integer, nullable=False),
    Column("se", Double),
    Column("confirmed", Boolean, nullable=False),
    Column("mean", Double),
    Column("error", Double),
    Column("fresh", Integer, nullable=False, server_default="0"),
)

notes = Table(
    "notes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("run", Integer, ForeignKey("runs.id"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_notes_run", "run", "n"),
)

looks = Table(
    "looks",
    metadata,
    Column("run", Integer, ForeignKey("runs.id"), primary_key=True),
    Column("time", Text, primary_key=True),
    Column("programs", Text, nullable=False),
    Column("result", Text, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("run", Integer, ForeignKey("runs.id"), primary_key=True),
    Column("told", Integer, primary_key=True, autoincrement=False),
    Column("code", Text, nullable=False),
    Column("first", Integer, nullable=False),
    Column("history", LargeBinary, nullable=False),
    Column("state", LargeBinary),
)

leases = Table(
    "leases",
    metadata,
    Column("key", Text, primary_key=True),
    Column("run", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("until", Double, nullable=False),
)
