"""Evaluations of one program at several levels of the wall stand side by side."""

from alembic import op

revision = "evolve_0002"
down_revision = "evolve_0001"

BLOCK = ["task", "world", "stage", "block", "program"]


def upgrade() -> None:
    with op.batch_alter_table("evaluations") as table:
        table.drop_constraint("uq_evaluations_program", type_="unique")
        table.create_unique_constraint("uq_evaluations_program", [*BLOCK, "level"])
