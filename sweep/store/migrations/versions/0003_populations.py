"""What populations bring: a network's diagnostics by seed, and how much a worker holds."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("sweep_results") as batch:
        batch.add_column(sa.Column("diagnostics", sa.JSON(none_as_null=True), nullable=True))
    with op.batch_alter_table("sweep_workers") as batch:
        batch.add_column(sa.Column("busy_since_first", sa.Float(), nullable=True))
        batch.add_column(sa.Column("n_training", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("slots", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("rows", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("sweep_workers") as batch:
        batch.drop_column("rows")
        batch.drop_column("slots")
        batch.drop_column("n_training")
        batch.drop_column("busy_since_first")
    with op.batch_alter_table("sweep_results") as batch:
        batch.drop_column("diagnostics")
