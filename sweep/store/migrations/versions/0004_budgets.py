"""What budgets, duplicates and verification count on: time spent, twins, threads, why it ended."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("sweep_studies") as batch:
        batch.add_column(sa.Column("ended_because", sa.Text(), nullable=True))
    with op.batch_alter_table("sweep_trials") as batch:
        batch.add_column(sa.Column("reused_from", sa.Integer(), nullable=True))
    with op.batch_alter_table("sweep_workers") as batch:
        batch.add_column(sa.Column("n_threads", sa.Integer(), nullable=True))
    with op.batch_alter_table("sweep_leases") as batch:
        batch.add_column(sa.Column("held_seconds", sa.Float(), nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("sweep_leases") as batch:
        batch.drop_column("held_seconds")
    with op.batch_alter_table("sweep_workers") as batch:
        batch.drop_column("n_threads")
    with op.batch_alter_table("sweep_trials") as batch:
        batch.drop_column("reused_from")
    with op.batch_alter_table("sweep_studies") as batch:
        batch.drop_column("ended_because")
