"""Decisions about retrainings, in the order in which they were made."""

import sqlalchemy as sa
from alembic import op

revision = "postgres_2"
down_revision = "postgres_1"


def upgrade() -> None:
    op.create_table(
        "retraining_decision",
        sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("alerts", sa.Text, nullable=False),
    )
    op.create_index("retraining_decision_model_seq", "retraining_decision", ["model", "seq"])


def downgrade() -> None:
    op.drop_table("retraining_decision")
