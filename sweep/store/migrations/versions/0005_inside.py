"""What the networks of some trials are made of, and what their codes tell of the labels."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sweep_decompositions",
        sa.Column("trial_id", sa.Integer(), sa.ForeignKey("trials.trial_id"), primary_key=True),
        sa.Column("decomposition", sa.JSON(), nullable=False),
    )
    op.create_table(
        "sweep_probes",
        sa.Column("trial_id", sa.Integer(), sa.ForeignKey("trials.trial_id"), primary_key=True),
        sa.Column("probe", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("sweep_probes")
    op.drop_table("sweep_decompositions")
