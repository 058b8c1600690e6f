"""Revisions, so that readers ask only for what is new; an index for counts; workers' vitals."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("sweep_studies", "sweep_trials"):
        with op.batch_alter_table(table) as batch:
            batch.add_column(
                sa.Column("revision", sa.Integer(), server_default="0", nullable=False)
            )
    op.create_index(
        "sweep_trials_study_revision", "sweep_trials", ["study_id", "revision"], unique=False
    )
    op.create_index(
        "sweep_trials_study_finished",
        "sweep_trials",
        ["study_id", "finished_at", "started_at", "outcome", "invalid"],
        unique=False,
    )
    with op.batch_alter_table("sweep_workers") as batch:
        batch.add_column(sa.Column("busy", sa.Float(), nullable=True))
        batch.add_column(sa.Column("memory_used_bytes", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("memory_total_bytes", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("sweep_workers") as batch:
        batch.drop_column("memory_total_bytes")
        batch.drop_column("memory_used_bytes")
        batch.drop_column("busy")
    op.drop_index("sweep_trials_study_finished", table_name="sweep_trials")
    op.drop_index("sweep_trials_study_revision", table_name="sweep_trials")
    for table in ("sweep_trials", "sweep_studies"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("revision")
