"""Create the first schema: all tables in addition to Optuna's."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create our tables."""
    op.create_table(
        "sweep_floors",
        sa.Column("data_key", sa.String(160), primary_key=True),
        sa.Column("floors", sa.JSON(), nullable=False),
        sa.Column("computed_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "sweep_probe_baselines",
        sa.Column("data_key", sa.String(160), primary_key=True),
        sa.Column("width", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("pca", sa.JSON(), nullable=False),
        sa.Column("random", sa.JSON(), nullable=False),
    )
    op.create_table(
        "sweep_commands",
        sa.Column("command_id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("studies.study_id"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("applied_at", sa.Float(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
    )
    op.create_index("sweep_commands_study", "sweep_commands", ["study_id", "applied_at"])
    op.create_table(
        "sweep_events",
        sa.Column("event_id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("studies.study_id"), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("worker", sa.String(64), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
    )
    op.create_index("sweep_events_study", "sweep_events", ["study_id", "event_id"])
    op.create_table(
        "sweep_leases",
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("studies.study_id"), primary_key=True),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process", sa.JSON(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("held_seconds", sa.Float(), nullable=False, server_default="0"),
        sa.Column("gpu_seconds", sa.Float(), nullable=False, server_default="0"),
    )
    op.create_table(
        "sweep_studies",
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("studies.study_id"), primary_key=True),
        sa.Column("study_file", sa.Text(), nullable=False),
        sa.Column("provenance", sa.JSON(), nullable=False),
        sa.Column("originals_png", sa.LargeBinary(), nullable=True),
        sa.Column("spectrum_bands", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("n_trials", sa.Integer(), nullable=True),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
    )
    op.create_table(
        "sweep_workers",
        sa.Column("worker_id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("studies.study_id"), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("device_name", sa.String(255), nullable=True),
        sa.Column("driver_version", sa.String(64), nullable=True),
        sa.Column("trainer", sa.String(16), nullable=True),
        sa.Column("fallback_reason", sa.Text(), nullable=True),
        sa.Column("triton_version", sa.String(64), nullable=True),
        sa.Column("ptxas_version", sa.String(64), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("n_finished", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("busy", sa.Float(), nullable=True),
        sa.Column("busy_since_first", sa.Float(), nullable=True),
        sa.Column("n_training", sa.Integer(), nullable=True),
        sa.Column("memory_used_bytes", sa.BigInteger(), nullable=True),
        sa.Column("memory_total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("utilisation", sa.Float(), nullable=True),
        sa.Column("utilisation_since_first", sa.Float(), nullable=True),
        sa.Column("slots", sa.Integer(), nullable=True),
        sa.Column("hidden_units", sa.Integer(), nullable=True),
        sa.Column("n_threads", sa.Integer(), nullable=True),
    )
    op.create_index("sweep_workers_study", "sweep_workers", ["study_id"])
    op.create_table(
        "sweep_decompositions",
        sa.Column("trial_id", sa.Integer(), sa.ForeignKey("trials.trial_id"), primary_key=True),
        sa.Column("decomposition", sa.JSON(), nullable=False),
    )
    op.create_table(
        "sweep_epochs",
        sa.Column("trial_id", sa.Integer(), sa.ForeignKey("trials.trial_id"), primary_key=True),
        sa.Column("seed_index", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("train_loss", sa.Float(), nullable=True),
        sa.Column("val_mse", sa.Float(), nullable=True),
        sa.Column("val_bce", sa.Float(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("spectrum", sa.LargeBinary(), nullable=True),
    )
    op.create_table(
        "sweep_notes",
        sa.Column("note_id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("studies.study_id"), nullable=False),
        sa.Column("trial_id", sa.Integer(), sa.ForeignKey("trials.trial_id"), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
    )
    op.create_index("sweep_notes_study", "sweep_notes", ["study_id"])
    op.create_table(
        "sweep_probes",
        sa.Column("trial_id", sa.Integer(), sa.ForeignKey("trials.trial_id"), primary_key=True),
        sa.Column("probe", sa.JSON(), nullable=False),
    )
    op.create_table(
        "sweep_reconstructions",
        sa.Column("trial_id", sa.Integer(), sa.ForeignKey("trials.trial_id"), primary_key=True),
        sa.Column("reconstructions_png", sa.LargeBinary(), nullable=False),
        sa.Column("errors_png", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "sweep_results",
        sa.Column("trial_id", sa.Integer(), sa.ForeignKey("trials.trial_id"), primary_key=True),
        sa.Column("seed_index", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("test_mse", sa.Float(), nullable=True),
        sa.Column("test_bce", sa.Float(), nullable=True),
        sa.Column("psnr", sa.Float(), nullable=True),
        sa.Column("exact_pixel_share", sa.Float(), nullable=True),
        sa.Column("per_class_mse", sa.JSON(), nullable=True),
        sa.Column("diagnostics", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("pixel_errors", sa.JSON(none_as_null=True), nullable=True),
    )
    op.create_table(
        "sweep_tags",
        sa.Column("tag_id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("studies.study_id"), nullable=False),
        sa.Column("trial_id", sa.Integer(), sa.ForeignKey("trials.trial_id"), nullable=True),
        sa.Column("tag", sa.String(64), nullable=False),
    )
    op.create_index("sweep_tags_study", "sweep_tags", ["study_id"])
    op.create_table(
        "sweep_trials",
        sa.Column("trial_id", sa.Integer(), sa.ForeignKey("trials.trial_id"), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("studies.study_id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("seeds", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("worker", sa.String(64), nullable=True),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("train_seconds", sa.Float(), nullable=True),
        sa.Column("val_mse", sa.Float(), nullable=True),
        sa.Column("val_mse_std", sa.Float(), nullable=True),
        sa.Column("test_mse", sa.Float(), nullable=True),
        sa.Column("test_mse_std", sa.Float(), nullable=True),
        sa.Column("test_bce", sa.Float(), nullable=True),
        sa.Column("psnr", sa.Float(), nullable=True),
        sa.Column("exact_pixel_share", sa.Float(), nullable=True),
        sa.Column("per_class_mse", sa.JSON(), nullable=True),
        sa.Column("n_parameters", sa.Integer(), nullable=True),
        sa.Column("artifact_id", sa.String(64), nullable=True),
        sa.Column("invalid", sa.Boolean(), nullable=False),
        sa.Column("invalid_reason", sa.Text(), nullable=True),
        sa.Column("reused_from", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
    )
    op.create_index(
        "sweep_trials_study_finished",
        "sweep_trials",
        ["study_id", "finished_at", "started_at", "outcome", "invalid"],
    )
    op.create_index(
        "sweep_trials_study_number", "sweep_trials", ["study_id", "number"], unique=True
    )
    op.create_index("sweep_trials_study_revision", "sweep_trials", ["study_id", "revision"])
