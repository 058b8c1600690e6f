"""What the drivers of GPUs tell of a worker's: their version, and how much of it is in use."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("sweep_workers") as batch:
        batch.add_column(sa.Column("driver_version", sa.String(64), nullable=True))
        batch.add_column(sa.Column("utilisation", sa.Float(), nullable=True))
        batch.add_column(sa.Column("utilisation_since_first", sa.Float(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("sweep_workers") as batch:
        batch.drop_column("utilisation_since_first")
        batch.drop_column("utilisation")
        batch.drop_column("driver_version")
