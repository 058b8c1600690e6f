"""Define our tables, which hold everything that Optuna's tables have no column for.

Times are seconds since the epoch (UTC) by the database's clock. JSON columns hold plain JSON.
Optuna's own tables are in ``optuna_rows``.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from sweep.store import optuna_rows
from sweep.store.column_types import check_columns

sweep_metadata = MetaData()

studies = optuna_rows.studies
study_directions = optuna_rows.study_directions
study_user_attributes = optuna_rows.study_user_attributes
study_system_attributes = optuna_rows.study_system_attributes
trials = optuna_rows.trials
trial_params = optuna_rows.trial_params
trial_values = optuna_rows.trial_values
trial_intermediate_values = optuna_rows.trial_intermediate_values
trial_user_attributes = optuna_rows.trial_user_attributes
trial_system_attributes = optuna_rows.trial_system_attributes

for _name in ("studies", "trials"):  # so that our foreign keys resolve
    optuna_rows.metadata.tables[_name].to_metadata(sweep_metadata)


def _study_key(*, primary_key: bool = False) -> Column[int]:
    key = ForeignKey("studies.study_id")
    return Column("study_id", Integer, key, nullable=False, primary_key=primary_key)


def _trial_key() -> Column[int]:
    key = ForeignKey("trials.trial_id")
    return Column("trial_id", Integer, key, nullable=False, primary_key=True)


def _revision() -> Column[int]:
    """Build the column that counts the transactions about a study: see store.revisions."""
    return Column("revision", Integer, nullable=False, server_default="0")


#: One row per study: its file, and what is needed to repeat it.
sweep_studies = Table(
    "sweep_studies",
    sweep_metadata,
    _study_key(primary_key=True),
    Column("study_file", Text, nullable=False),  # TOML, after --set
    Column("provenance", JSON, nullable=False),  # versions, git commit, data checksum, host
    Column("originals_png", LargeBinary),
    #: messages.SpectrumBands; NULL if no error spectrum is measured.
    Column("spectrum_bands", JSON(none_as_null=True)),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    #: Target number of trials; grows with `sweep resume --trials`.
    Column("n_trials", Integer),
    #: enums.StudyPhase, except ENDING.
    Column("phase", String(16), nullable=False),
    #: Why it is in its last phase; NULL while it is running.
    Column("ended_because", Text),
    _revision(),
)

#: One row per trial in addition to Optuna's: its configuration, its worker, and the means over
#: seeds.
sweep_trials = Table(
    "sweep_trials",
    sweep_metadata,
    _trial_key(),
    _study_key(),
    Column("number", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),  # 0 if never dispatched
    Column("config", JSON, nullable=False),  # TrialConfig
    Column("seeds", JSON, nullable=False),
    Column("outcome", String(16)),  # enums.Outcome; NULL while unfinished
    Column("reason", Text),
    Column("worker", String(64)),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("train_seconds", Float),
    # Means over the seeds, stored although they can be derived from sweep_epochs and sweep_results:
    # averaging at reading took 1.5 times as long for 100,000 trials, and 2 times for the ten best.
    # A reused trial's are those of the trial that it reuses: with a lookup there as well, sorting
    # 100,000 trials by an error took 1.2 times as long, and 1.8 times if a third was reused.
    Column("val_mse", Float),
    Column("val_mse_std", Float),  # over the seeds; NULL with one seed
    Column("test_mse", Float),
    Column("test_mse_std", Float),
    Column("test_bce", Float),
    Column("psnr", Float),
    Column("exact_pixel_share", Float),
    Column("per_class_mse", JSON),
    Column("n_parameters", Integer),
    Column("artifact_id", String(64)),
    Column("invalid", Boolean, nullable=False),
    Column("invalid_reason", Text),
    #: The number of the trial with the same configuration whose results it reuses.
    Column("reused_from", Integer),
    #: The study's revision when the trial, its curves or its pictures last changed.
    _revision(),
    Index("sweep_trials_study_number", "study_id", "number", unique=True),
    Index("sweep_trials_study_revision", "study_id", "revision"),
    # All columns that a study's summary counts: it need not read the rows, which are wide.
    Index(
        "sweep_trials_study_finished",
        *("study_id", "finished_at", "started_at", "outcome", "invalid"),
    ),
)

#: Learning curves: one row per trial, seed and epoch.
sweep_epochs = Table(
    "sweep_epochs",
    sweep_metadata,
    _trial_key(),
    Column("seed_index", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("train_loss", Float),  # NULL if not finite
    Column("val_mse", Float),
    Column("val_bce", Float),
    Column("seconds", Float),
    #: Validation error in each band of principal directions: messages.pack_spectrum; NULL if it was
    #: not measured.
    Column("spectrum", LargeBinary),
)

#: One row per trial and seed: TestMetrics. The seed's validation error is that of its last epoch.
sweep_results = Table(
    "sweep_results",
    sweep_metadata,
    _trial_key(),
    Column("seed_index", Integer, primary_key=True, autoincrement=False),
    Column("seed", Integer, nullable=False),
    Column("test_mse", Float),
    Column("test_bce", Float),
    Column("psnr", Float),
    Column("exact_pixel_share", Float),
    Column("per_class_mse", JSON),
    #: messages.Diagnostics; NULL if they were not measured.
    Column("diagnostics", JSON(none_as_null=True)),
    #: messages.PixelErrors; NULL if they were not measured.
    Column("pixel_errors", JSON(none_as_null=True)),
)

#: The trial's reconstructions of ten test images: 10 pictures side by side, grey PNG. Trials that
#: are not among the best of their width may lack them.
sweep_reconstructions = Table(
    "sweep_reconstructions",
    sweep_metadata,
    _trial_key(),
    Column("reconstructions_png", LargeBinary, nullable=False),
    Column("errors_png", LargeBinary, nullable=False),
)

#: messages.Decomposition of the first seed, for trials that were the best of their width when they
#: ended and trials whose analysis was requested.
sweep_decompositions = Table(
    "sweep_decompositions",
    sweep_metadata,
    _trial_key(),
    Column("decomposition", JSON, nullable=False),
)

#: messages.Probe of the first seed, for the same trials.
sweep_probes = Table(
    "sweep_probes",
    sweep_metadata,
    _trial_key(),
    Column("probe", JSON, nullable=False),
)

sweep_workers = Table(
    "sweep_workers",
    sweep_metadata,
    Column("worker_id", Integer, primary_key=True),
    _study_key(),
    Column("name", String(64), nullable=False),  # w0, w1, …: unique among live workers
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("device", String(64), nullable=False),
    Column("device_name", String(255)),
    #: Version of NVIDIA's driver; NULL if unknown.
    Column("driver_version", String(64)),
    #: enums.Trainer, as the worker chose it; NULL until it is ready.
    Column("trainer", String(16)),
    #: Why it uses the reference trainer although the fused one was preferred: see messages.Ready.
    Column("fallback_reason", Text),
    Column("triton_version", String(64)),
    Column("ptxas_version", String(64)),
    Column("state", String(16), nullable=False),  # enums.WorkerState
    Column("n_finished", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    #: Its last statistics, NULL until the first: see messages.WorkerStats.
    Column("busy", Float),
    Column("busy_since_first", Float),
    Column("n_training", Integer),
    Column("memory_used_bytes", BigInteger),
    Column("memory_total_bytes", BigInteger),
    Column("utilisation", Float),
    Column("utilisation_since_first", Float),
    #: Capacity of its population, see messages.Capacity; NULL if it trains one trial at a time.
    Column("slots", Integer),
    Column("hidden_units", Integer),
    #: CPU threads that it was told to train with; NULL if torch chooses.
    Column("n_threads", Integer),
    Index("sweep_workers_study", "study_id"),
)

#: Who may write a study. The row is never deleted; an expired or released lease may be taken.
sweep_leases = Table(
    "sweep_leases",
    sweep_metadata,
    _study_key(primary_key=True),
    Column("token", String(64), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    #: Distinguishes a dead holder from a live one: see store.lease.
    Column("process", JSON, nullable=False),
    #: Transactions written under this token: shows whether one was committed whose answer was lost.
    Column("batch", Integer, nullable=False),
    Column("taken_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    #: How long coordinators have held the study in total: see store.usage.
    Column("held_seconds", Float, nullable=False, server_default="0"),
    #: How long their workers have used GPUs, summed over the GPUs.
    Column("gpu_seconds", Float, nullable=False, server_default="0"),
)

sweep_commands = Table(
    "sweep_commands",
    sweep_metadata,
    Column("command_id", Integer, primary_key=True),
    _study_key(),
    Column("kind", String(16), nullable=False),  # enums.CommandKind
    Column("payload", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("applied_at", Float),  # NULL while it is pending
    Column("outcome", Text),
    Index("sweep_commands_study", "study_id", "applied_at"),
)

sweep_events = Table(
    "sweep_events",
    sweep_metadata,
    Column("event_id", Integer, primary_key=True),
    _study_key(),
    Column("at", Float, nullable=False),
    Column("kind", String(32), nullable=False),  # enums.EventKind
    Column("number", Integer),  # trial number, if it concerns a trial
    Column("worker", String(64)),
    Column("message", Text, nullable=False),
    Index("sweep_events_study", "study_id", "event_id"),
)

#: Notes of a study (trial_id NULL) or of a trial; the newest is current, the others are history.
sweep_notes = Table(
    "sweep_notes",
    sweep_metadata,
    Column("note_id", Integer, primary_key=True),
    _study_key(),
    Column("trial_id", Integer, ForeignKey("trials.trial_id")),
    Column("text", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("sweep_notes_study", "study_id"),
)

sweep_tags = Table(
    "sweep_tags",
    sweep_metadata,
    Column("tag_id", Integer, primary_key=True),
    _study_key(),
    Column("trial_id", Integer, ForeignKey("trials.trial_id")),
    Column("tag", String(64), nullable=False),
    Index("sweep_tags_study", "study_id"),
)

#: Floors of a data set (by checksum and split), computed once: see analysis.floors.
sweep_floors = Table(
    "sweep_floors",
    sweep_metadata,
    Column("data_key", String(160), primary_key=True),
    Column("floors", JSON, nullable=False),
    Column("computed_at", Float, nullable=False),
)

#: What codes of a width are compared with in the probe, by data set and split: of the same life.
sweep_probe_baselines = Table(
    "sweep_probe_baselines",
    sweep_metadata,
    Column("data_key", String(160), primary_key=True),
    Column("width", Integer, primary_key=True, autoincrement=False),
    Column("pca", JSON, nullable=False),
    Column("random", JSON, nullable=False),
)

check_columns(sweep_metadata)

#: Tables with data of one attempt at a trial: their rows are deleted when the trial starts over.
TABLES_OF_AN_ATTEMPT = (
    trial_intermediate_values,
    sweep_epochs,
    sweep_results,
    sweep_reconstructions,
    sweep_decompositions,
    sweep_probes,
)
