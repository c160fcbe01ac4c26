"""Blocks of confirm steps, what is believed of elites, and functional hashes that decide."""

import sqlalchemy as sa
from alembic import op

revision = "evolve_0004"
down_revision = "evolve_0003"


def upgrade() -> None:
    op.add_column("steps", sa.Column("block", sa.BigInteger))
    op.add_column("evaluations", sa.Column("behaviour", sa.Text))
    seconds = sa.Column("grade_s", sa.Double, nullable=False, server_default="0")
    op.add_column("evaluations", seconds)
    block = ("task", "world", "stage", "block")
    op.create_index("ix_evaluations_behaviour", "evaluations", [*block, "behaviour"])
    op.add_column("elites", sa.Column("mean", sa.Double))
    op.add_column("elites", sa.Column("error", sa.Double))
    op.add_column("elites", sa.Column("fresh", sa.Integer, nullable=False, server_default="0"))
    op.execute("UPDATE elites SET mean = fitness")
