"""Revisions of ground truth, each with the prediction it belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "labels_1"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "label",
        sa.Column("prediction_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("actual", sa.REAL, nullable=False),
        sa.Column("at", sa.REAL, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("predicted_at", sa.REAL, nullable=False),
        sa.Column("outcome", sa.REAL, nullable=False),
        sa.Column("probabilities", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("label_model_predicted_at", "label", ["model", "predicted_at"])


def downgrade() -> None:
    op.drop_table("label")
