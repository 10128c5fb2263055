"""Decisions about retrainings, in the order in which they were made."""

import sqlalchemy as sa
from alembic import op

revision = "decisions_1"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "decision",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("at", sa.REAL, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("alerts", sa.Text, nullable=False),
    )
    op.create_index("decision_model_seq", "decision", ["model", "seq"])


def downgrade() -> None:
    op.drop_table("decision")
