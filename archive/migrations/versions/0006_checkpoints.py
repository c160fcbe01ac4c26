"""Totals of a run's told steps, and checkpoints of its fold: what else is folded from all its rows."""

import sqlalchemy as sa
from alembic import op

revision = "evolve_0006"
down_revision = "evolve_0005"


def upgrade() -> None:
    op.add_column("runs", sa.Column("totals", sa.Text))
    op.create_table(
        "checkpoints",
        sa.Column("run", sa.Integer, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("told", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("history", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.LargeBinary),
    )
