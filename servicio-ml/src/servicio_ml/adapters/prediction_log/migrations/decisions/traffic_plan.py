"""Traffic plans, in the order in which they began, and what each process has counted for them."""

import sqlalchemy as sa
from alembic import op

revision = "decisions_3"
down_revision = "decisions_2"


def upgrade() -> None:
    op.create_table(
        "traffic_plan",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("plan_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.UniqueConstraint("model", "plan_id"),
    )
    op.create_index("traffic_plan_model_seq", "traffic_plan", ["model", "seq"])
    op.create_table(
        "traffic_count",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("plan_id", sa.Text, primary_key=True),
        sa.Column("process", sa.Text, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("traffic_count")
    op.drop_table("traffic_plan")
