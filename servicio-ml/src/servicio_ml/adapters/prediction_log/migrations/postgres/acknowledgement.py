"""Acknowledgements of drift and their ends, in the order in which they were made."""

import sqlalchemy as sa
from alembic import op

revision = "postgres_5"
down_revision = "postgres_4"


def upgrade() -> None:
    op.create_table(
        "drift_acknowledgement",
        sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("feature", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
        sa.Column("psi", sa.Double, nullable=False),
        sa.Column("missing_excess", sa.Double, nullable=False),
    )
    op.create_index("drift_acknowledgement_model_seq", "drift_acknowledgement", ["model", "seq"])


def downgrade() -> None:
    op.drop_table("drift_acknowledgement")
