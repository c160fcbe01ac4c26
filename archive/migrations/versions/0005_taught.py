"""What the confirm steps of a run have taught, so that nobody has to fold it to be told."""

import sqlalchemy as sa
from alembic import op

revision = "evolve_0005"
down_revision = "evolve_0004"


def upgrade() -> None:
    op.add_column("runs", sa.Column("taught", sa.Text))
