"""What a running coordinator shows: small frozen pictures of itself."""

from collections.abc import Callable
from dataclasses import dataclass

from sweep.enums import StudyPhase, WorkerState


@dataclass(frozen=True, kw_only=True)
class WorkerProgress:
    """One worker, as of now."""

    name: str
    device: str
    state: WorkerState
    #: The trial in training, the first of several, and how far it is; None while it has none.
    number: int | None
    epoch: int
    epochs: int
    #: Trials in training.
    n_training: int
    #: messages.WorkerStats as it last sent them; None until then.
    busy: float | None
    n_finished: int


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The study, as of now."""

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
    #: Why no more trials begin, where a budget or the space is used up.
    because: str | None = None
    #: Why nothing moves at the moment, if nothing does.
    message: str | None = None

    @property
    def n_finished(self) -> int:
        """Trials that need no more work, however they ended."""
        return self.n_complete + self.n_pruned + self.n_failed + self.n_diverged


Observer = Callable[[Progress], None]
