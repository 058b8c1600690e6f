"""Define what reading the database returns: frozen records, in Optuna's terms if it has one.

Times are aware datetimes in UTC. ``state`` is the name of Optuna's TrialState.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any, NamedTuple, TypeVar

from sweep.catalogue.metrics import METRICS
from sweep.enums import EventKind, StudyPhase, Trainer, WorkerState

T = TypeVar("T")

#: Optuna's states, in display order.
STATES = ("WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL")


def from_row(of: type[T], row: Any, **others: Any) -> T:
    """Build a record from columns named like its fields; ``others`` are fields that differ."""
    names = vars(of)["__dataclass_fields__"]  # fields() takes half of the time for 100,000 trials
    return of(**{name: getattr(row, name) for name in names if name not in others}, **others)


@dataclass(frozen=True, kw_only=True)
class LeaseRow:
    """The coordinator that has, or last had, the study's lease."""

    host: str
    pid: int
    taken_at: datetime
    expires_at: datetime
    #: Whether it was expired by the database's clock, when it was read.
    expired: bool
    #: Whether its process died with the lease, for certain; only ever known on its own host.
    dead: bool

    @property
    def live(self) -> bool:
        """Whether a coordinator holds the lease."""
        return not self.expired and not self.dead


@dataclass(frozen=True, kw_only=True)
class StudySummary:
    """One study with its counts."""

    study_id: int
    name: str
    description: str
    #: As the coordinator wrote it.
    phase: StudyPhase
    #: Why it is in its last phase; None while it is running.
    ended_because: str | None
    dataset: str
    objectives: tuple[str, ...]
    #: Trials by Optuna's state; every state of STATES is a key.
    counts: Mapping[str, int]
    #: Trials that FAIL because training became infinite or NaN; the failure limit ignores them.
    n_diverged: int
    n_invalid: int
    #: COMPLETE trials that reuse the results of another trial with the same configuration.
    n_reused: int
    #: Target number of trials; None if the grid decides.
    n_trials: int | None
    #: Lowest value of the first objective among trials that are COMPLETE, finite and not invalid.
    best_value: float | None
    best_number: int | None
    #: Finished trials per second over the last minute of the study's work.
    trials_per_second: float | None
    #: Commands that wait for a coordinator.
    n_pending_commands: int
    tags: tuple[str, ...]
    note: str | None
    #: None if no coordinator ever held it.
    held_by: LeaseRow | None
    created_at: datetime
    updated_at: datetime

    @property
    def running(self) -> bool:
        """Whether a coordinator holds the study now."""
        return self.held_by is not None and self.held_by.live

    @property
    def n_finished(self) -> int:
        """The number of finished trials."""
        return self.counts["COMPLETE"] + self.counts["PRUNED"] + self.counts["FAIL"]

    @property
    def n_failed(self) -> int:
        """The number of failed trials without diverged ones: what the failure limit counts."""
        return self.counts["FAIL"] - self.n_diverged


@dataclass(frozen=True, kw_only=True)
class UnreadableStudy:
    """A study with a corrupt value in its rows."""

    name: str
    #: What is wrong, where, and how to fix it.
    reason: str


@dataclass(frozen=True, kw_only=True)
class StudyList:
    """The studies of a database."""

    #: By name.
    studies: Sequence[StudySummary]
    #: Those with a corrupt value; they do not affect the others.
    unreadable: Sequence[UnreadableStudy]
    #: Names of the parent studies, by the names of the studies that were trained for them.
    parents: Mapping[str, str]

    @property
    def families(self) -> dict[str, list[StudySummary]]:
        """Return each study that was not trained for another, with those trained for it."""
        by_root: dict[str, list[StudySummary]] = {}
        for study in self.studies:
            by_root.setdefault(self._root(study.name), []).append(study)
        return {
            name: sorted(family, key=lambda of: of.name != name) for name, family in by_root.items()
        }

    def _root(self, name: str) -> str:
        seen: set[str] = set()
        while name in self.parents and name not in seen:
            seen.add(name)
            name = self.parents[name]
        return name


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One trial, as tables and charts show it. Errors are per pixel on the [0, 1] scale."""

    number: int
    state: str
    #: One per objective; empty until COMPLETE (Optuna also keeps the last value of a PRUNED trial).
    values: tuple[float, ...]
    #: What the sampler chose, by Optuna's names (``hidden_width``, ``sgd.learning_rate``).
    params: Mapping[str, Any]
    #: config.TrialConfig in full: searched and fixed settings.
    config: Mapping[str, Any]
    seeds: tuple[int, ...]
    val_mse: float | None
    #: Standard deviation over the seeds; None with one seed.
    val_mse_std: float | None
    test_mse: float | None
    test_mse_std: float | None
    test_bce: float | None
    psnr: float | None
    exact_pixel_share: float | None
    per_class_mse: tuple[float, ...] | None
    n_parameters: int | None
    train_seconds: float | None
    #: enums.Outcome; None while unfinished.
    outcome: str | None
    reason: str | None
    #: How often it was dispatched; 0 if never.
    attempt: int
    worker: str | None
    datetime_start: datetime | None
    datetime_complete: datetime | None
    #: Excluded from best, sampling and analysis; Optuna's state does not change.
    invalid: bool
    invalid_reason: str | None
    #: The number of the trial with the same configuration whose results it reuses.
    reused_from: int | None
    tags: tuple[str, ...]
    note: str | None

    @property
    def value(self) -> float | None:
        """The first objective's value."""
        return self.values[0] if self.values else None

    @property
    def value_or_inf(self) -> float:
        """The first objective's value, for comparisons; infinite without one."""
        return self.values[0] if self.values else math.inf

    @property
    def hidden_width(self) -> int | None:
        """Return the hidden width, where the configuration is known."""
        return self.config.get("hidden_width")

    @property
    def metrics(self) -> dict[str, float | None]:
        """All numbers of METRICS, by name."""
        return {name: getattr(self, name) for name in METRICS}


@dataclass(frozen=True, kw_only=True)
class SeedResult:
    """One seed of a trial, measured at its end."""

    seed_index: int
    seed: int
    val_mse: float | None
    test_mse: float | None
    test_bce: float | None
    psnr: float | None
    exact_pixel_share: float | None
    per_class_mse: tuple[float, ...] | None
    #: Numbers of messages.Diagnostics, by name; None if they were not measured.
    diagnostics: Mapping[str, float] | None
    #: Numbers of messages.PixelErrors, by name; None if they were not measured.
    pixel_errors: Mapping[str, float] | None


def mean_diagnostics(results: Sequence[SeedResult]) -> dict[str, float] | None:
    """Average each number over the seeds that have it; None if none has."""
    return mean_of([result.diagnostics for result in results if result.diagnostics])


def mean_pixel_errors(results: Sequence[SeedResult]) -> dict[str, float] | None:
    """Average each share over the seeds that have them; None if none has."""
    return mean_of([result.pixel_errors for result in results if result.pixel_errors])


def mean_of(measured: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    """Average each number of the first record over all records; None if there are none."""
    return {key: fmean(of[key] for of in measured) for key in measured[0]} if measured else None


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """Something that happened to a study, a worker or a trial."""

    event_id: int
    at: datetime
    kind: EventKind
    #: Trial number, if it concerns a trial.
    number: int | None
    worker: str | None
    message: str


@dataclass(frozen=True, kw_only=True)
class NoteRow:
    """A note as it was written; the newest note of a study or a trial is current."""

    created_at: datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class TrialDetail(TrialRow):
    """One trial with all that is known about it."""

    results: tuple[SeedResult, ...]
    #: Dispatches, deaths of workers, retries, the end: oldest first.
    events: tuple[EventRow, ...]
    #: Oldest first.
    notes: tuple[NoteRow, ...]
    #: The weights in the artifact store; None if the trial was not among the best.
    artifact_id: str | None
    #: messages.Decomposition of the first seed, by name; None if the trial was not among the best
    #: of its width and no analysis was requested.
    decomposition: Mapping[str, Any] | None
    #: messages.Probe of the first seed.
    probe: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One epoch of one seed, or the mean over a trial's seeds.

    A number is None if it was not finite (in any of the seeds) or is not defined.
    """

    #: From 1.
    epoch: int
    train_loss: float | None
    val_mse: float | None
    val_bce: float | None
    seconds: float | None


class SpectrumPoint(NamedTuple):
    """The error spectrum after one epoch of one seed, or the mean over a trial's seeds.

    The errors, one for each band, add up to the validation error of the measured images.
    """

    #: From 1.
    epoch: int
    errors: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A trial's reconstructions of the ten test images: strips of ten, grey PNG."""

    reconstructions_png: bytes
    #: Absolute errors: black is zero, white is half of the scale or more.
    errors_png: bytes


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """A worker of a study, alive or dead."""

    name: str
    host: str
    pid: int
    device: str
    device_name: str | None
    #: Version of NVIDIA's driver; None if unknown.
    driver_version: str | None
    #: The trainer that it uses; None until it is ready.
    trainer: Trainer | None
    #: Why it uses the reference trainer although the fused one was preferred: the reason, then a
    #: line for each difference that the self-check found too large.
    fallback_reason: str | None
    #: Version of the compiler of the fused trainer's kernels.
    triton_version: str | None
    ptxas_version: str | None
    state: WorkerState
    n_finished: int
    #: Slots in use according to its last message; before that, its RUNNING trials.
    n_training: int
    #: Capacity of its population; None if it trains one trial at a time.
    slots: int | None
    hidden_units: int | None
    started_at: datetime
    seen_at: datetime
    #: The last messages.WorkerStats; None until the first.
    busy: float | None
    busy_since_first: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    utilisation: float | None
    utilisation_since_first: float | None
    #: CPU threads that it was told to train with; None if torch chooses.
    n_threads: int | None


@dataclass(frozen=True, kw_only=True)
class CommandRow:
    """A user's command to the coordinator."""

    command_id: int
    #: enums.CommandKind
    kind: str
    payload: Mapping[str, Any]
    created_at: datetime
    #: None while it is pending.
    applied_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, kw_only=True)
class NumberDomain:
    """The distribution of a numeric parameter; the widest, if it was widened on the way."""

    low: float
    high: float
    log: bool
    #: None on a continuous scale.
    step: float | None
    integer: bool


@dataclass(frozen=True, kw_only=True)
class ChoiceDomain:
    """The distribution of a categorical parameter."""

    choices: tuple[bool | int | float | str | None, ...]


Domain = NumberDomain | ChoiceDomain
