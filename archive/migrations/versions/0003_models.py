"""Ideas of steps, tokens that calls under way may use, and how the instances of a block are grouped."""

import sqlalchemy as sa
from alembic import op

revision = "evolve_0003"
down_revision = "evolve_0002"


def upgrade() -> None:
    op.add_column("steps", sa.Column("idea", sa.Text))
    for table in ("runs", "answers"):
        reserve = sa.Column("reserved_tokens", sa.BigInteger, nullable=False, server_default="0")
        op.add_column(table, reserve)
    op.create_table(
        "blocks",
        sa.Column("task", sa.Text, sa.ForeignKey("tasks.digest"), primary_key=True),
        sa.Column("stage", sa.Text, primary_key=True),
        sa.Column("block", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("instances", sa.Text, nullable=False),
    )
