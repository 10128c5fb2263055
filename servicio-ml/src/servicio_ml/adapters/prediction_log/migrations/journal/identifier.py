"""Identifiers of rows, by which ground truth finds the latest answer."""

import sqlalchemy as sa
from alembic import op

revision = "journal_2"
down_revision = "journal_1"


def upgrade() -> None:
    op.create_table(
        "identifier",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("identifier", sa.Text, nullable=False),
        sa.Column("at", sa.REAL, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("identifier_latest", "identifier", ["model", "identifier", "at"])


def downgrade() -> None:
    op.drop_table("identifier")
