"""The numbers of a prediction once more as one string of bytes; empty in rows from before."""

import sqlalchemy as sa
from alembic import op

revision = "postgres_3"
down_revision = "postgres_2"


def upgrade() -> None:
    op.add_column("prediction", sa.Column("packed", sa.LargeBinary, nullable=True))


def downgrade() -> None:
    op.drop_column("prediction", "packed")
