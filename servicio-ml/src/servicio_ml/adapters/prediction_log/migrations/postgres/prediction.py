"""Predictions, a row each, and the revisions of their ground truth."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "postgres_1"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "prediction",
        sa.Column("prediction_id", postgresql.UUID, primary_key=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("features", postgresql.ARRAY(sa.REAL), nullable=False),
        sa.Column("outcome", sa.Double, nullable=False),
        sa.Column("probabilities", postgresql.ARRAY(sa.Double), nullable=False),
    )
    # the id makes a place to go on from when many rows have one time
    op.create_index("prediction_model_at", "prediction", ["model", "at", "prediction_id"])
    op.create_table(
        "ground_truth",
        sa.Column("prediction_id", postgresql.UUID, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("actual", sa.Double, nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("ground_truth")
    op.drop_table("prediction")
