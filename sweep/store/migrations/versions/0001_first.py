"""The first schema: everything beside Optuna's tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sweep_floors",
        sa.Column("data_key", sa.String(length=160), nullable=False),
        sa.Column("floors", sa.JSON(), nullable=False),
        sa.Column("computed_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("data_key"),
    )
    op.create_table(
        "sweep_commands",
        sa.Column("command_id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("applied_at", sa.Float(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.study_id"],
        ),
        sa.PrimaryKeyConstraint("command_id"),
    )
    op.create_index(
        "sweep_commands_study", "sweep_commands", ["study_id", "applied_at"], unique=False
    )
    op.create_table(
        "sweep_events",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("worker", sa.String(length=64), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.study_id"],
        ),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("sweep_events_study", "sweep_events", ["study_id", "event_id"], unique=False)
    op.create_table(
        "sweep_leases",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process", sa.JSON(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.study_id"],
        ),
        sa.PrimaryKeyConstraint("study_id"),
    )
    op.create_table(
        "sweep_studies",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("study_file", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("provenance", sa.JSON(), nullable=False),
        sa.Column("dataset", sa.String(length=512), nullable=False),
        sa.Column("originals_png", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("n_trials", sa.Integer(), nullable=True),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.study_id"],
        ),
        sa.PrimaryKeyConstraint("study_id"),
    )
    op.create_table(
        "sweep_workers",
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("device_name", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("n_finished", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.study_id"],
        ),
        sa.PrimaryKeyConstraint("worker_id"),
    )
    op.create_index("sweep_workers_study", "sweep_workers", ["study_id"], unique=False)
    op.create_table(
        "sweep_epochs",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("seed_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("train_loss", sa.Float(), nullable=True),
        sa.Column("val_mse", sa.Float(), nullable=True),
        sa.Column("val_bce", sa.Float(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["trial_id"],
            ["trials.trial_id"],
        ),
        sa.PrimaryKeyConstraint("trial_id", "seed_index", "epoch"),
    )
    op.create_table(
        "sweep_notes",
        sa.Column("note_id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.study_id"],
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"],
            ["trials.trial_id"],
        ),
        sa.PrimaryKeyConstraint("note_id"),
    )
    op.create_index("sweep_notes_study", "sweep_notes", ["study_id"], unique=False)
    op.create_table(
        "sweep_reconstructions",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("reconstructions_png", sa.LargeBinary(), nullable=False),
        sa.Column("errors_png", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"],
            ["trials.trial_id"],
        ),
        sa.PrimaryKeyConstraint("trial_id"),
    )
    op.create_table(
        "sweep_results",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("seed_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("val_mse", sa.Float(), nullable=True),
        sa.Column("test_mse", sa.Float(), nullable=True),
        sa.Column("test_bce", sa.Float(), nullable=True),
        sa.Column("psnr", sa.Float(), nullable=True),
        sa.Column("exact_pixels", sa.Float(), nullable=True),
        sa.Column("per_class_mse", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["trial_id"],
            ["trials.trial_id"],
        ),
        sa.PrimaryKeyConstraint("trial_id", "seed_index"),
    )
    op.create_table(
        "sweep_tags",
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=True),
        sa.Column("tag", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.study_id"],
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"],
            ["trials.trial_id"],
        ),
        sa.PrimaryKeyConstraint("tag_id"),
    )
    op.create_index("sweep_tags_study", "sweep_tags", ["study_id"], unique=False)
    op.create_table(
        "sweep_trials",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("seeds", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("worker", sa.String(length=64), nullable=True),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("train_seconds", sa.Float(), nullable=True),
        sa.Column("val_mse", sa.Float(), nullable=True),
        sa.Column("val_mse_std", sa.Float(), nullable=True),
        sa.Column("test_mse", sa.Float(), nullable=True),
        sa.Column("test_mse_std", sa.Float(), nullable=True),
        sa.Column("test_bce", sa.Float(), nullable=True),
        sa.Column("psnr", sa.Float(), nullable=True),
        sa.Column("exact_pixels", sa.Float(), nullable=True),
        sa.Column("per_class_mse", sa.JSON(), nullable=True),
        sa.Column("n_parameters", sa.Integer(), nullable=True),
        sa.Column("artifact_id", sa.String(length=64), nullable=True),
        sa.Column("invalid", sa.Boolean(), nullable=False),
        sa.Column("invalid_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.study_id"],
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"],
            ["trials.trial_id"],
        ),
        sa.PrimaryKeyConstraint("trial_id"),
    )
    op.create_index(
        "sweep_trials_study_number", "sweep_trials", ["study_id", "number"], unique=True
    )


def downgrade() -> None:
    op.drop_index("sweep_trials_study_number", table_name="sweep_trials")
    op.drop_table("sweep_trials")
    op.drop_index("sweep_tags_study", table_name="sweep_tags")
    op.drop_table("sweep_tags")
    op.drop_table("sweep_results")
    op.drop_table("sweep_reconstructions")
    op.drop_index("sweep_notes_study", table_name="sweep_notes")
    op.drop_table("sweep_notes")
    op.drop_table("sweep_epochs")
    op.drop_index("sweep_workers_study", table_name="sweep_workers")
    op.drop_table("sweep_workers")
    op.drop_table("sweep_studies")
    op.drop_table("sweep_leases")
    op.drop_index("sweep_events_study", table_name="sweep_events")
    op.drop_table("sweep_events")
    op.drop_index("sweep_commands_study", table_name="sweep_commands")
    op.drop_table("sweep_commands")
    op.drop_table("sweep_floors")
