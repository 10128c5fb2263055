"""Acknowledgements of drift and their ends, in the order in which they were made."""

import sqlalchemy as sa
from alembic import op

revision = "decisions_2"
down_revision = "decisions_1"


def upgrade() -> None:
    op.create_table(
        "acknowledgement",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("feature", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", sa.REAL, nullable=False),
        sa.Column("ends_at", sa.REAL, nullable=False),
        sa.Column("psi", sa.REAL, nullable=False),
        sa.Column("missing_excess", sa.REAL, nullable=False),
    )
    op.create_index("acknowledgement_model_seq", "acknowledgement", ["model", "seq"])


def downgrade() -> None:
    op.drop_table("acknowledgement")
