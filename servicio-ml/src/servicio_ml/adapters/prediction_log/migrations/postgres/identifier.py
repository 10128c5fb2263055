"""Identifiers of rows, by which ground truth finds the latest answer."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "postgres_4"
down_revision = "postgres_3"


def upgrade() -> None:
    op.create_table(
        "identifier",
        sa.Column("prediction_id", postgresql.UUID, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("identifier", sa.Text, nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
    )
    op.create_index("identifier_latest", "identifier", ["model", "identifier", "at", "prediction_id"])


def downgrade() -> None:
    op.drop_table("identifier")
