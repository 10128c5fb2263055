"""Chunks as they were answered, and how far they have been shipped.

The features stand last: who looks for outcomes does not read past them.
"""

import sqlalchemy as sa
from alembic import op

revision = "journal_1"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "chunk",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("at", sa.REAL, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("places", sa.LargeBinary, nullable=False),
        sa.Column("outcomes", sa.LargeBinary, nullable=False),
        sa.Column("probabilities", sa.LargeBinary, nullable=False),
        sa.Column("features", sa.LargeBinary, nullable=False),
    )
    op.create_index("chunk_model_at", "chunk", ["model", "at"])
    shipped = op.create_table("shipped", sa.Column("seq", sa.Integer, nullable=False))
    op.bulk_insert(shipped, [{"seq": 0}])


def downgrade() -> None:
    op.drop_table("shipped")
    op.drop_table("chunk")
