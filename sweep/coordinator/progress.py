"""Define snapshots of a running study, for observers."""

from collections.abc import Callable
from dataclasses import dataclass

from sweep.enums import StudyPhase, WorkerState


@dataclass(frozen=True, kw_only=True)
class WorkerProgress:
    """Snapshot of one worker."""

    name: str
    device: str
    state: WorkerState
    #: The first trial in training and its progress; None if there is none.
    number: int | None
    epoch: int
    epochs: int
    #: Trials in training.
    n_training: int
    #: The last messages.WorkerStats; None until the first.
    busy: float | None
    n_finished: int


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Snapshot of the study."""

    name: str
    phase: StudyPhase
    n_trials: int
    n_complete: int
    n_pruned: int
    n_failed: int
    n_diverged: int
    n_running: int
    best_value: float | None
    best_number: int | None
    trials_per_second: float | None
    seconds_left: float | None
    workers: tuple[WorkerProgress, ...]
    #: Why no more trials start, if a budget or the space is used up.
    because: str | None = None
    #: Message while the database is away.
    message: str | None = None
    #: Networks analysed by this run, and that number with those still due.
    n_analysed: int = 0
    n_to_analyse: int = 0

    @property
    def n_finished(self) -> int:
        """Number of trials that ended in any way."""
        return self.n_complete + self.n_pruned + self.n_failed + self.n_diverged


Observer = Callable[[Progress], None]
