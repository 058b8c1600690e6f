"""A trial that a worker has, from its hand-out to its end there."""

from dataclasses import dataclass, field
from statistics import fmean

from sweep.messages import EpochDone, EpochMetrics, TrialSpec


@dataclass(kw_only=True, eq=False)
class RunningTrial:
    """One attempt of a trial, and how far it is."""

    spec: TrialSpec
    #: Whether the worker has room to train it now, as far as the coordinator can tell; otherwise
    #: it waits in the worker.
    is_placed: bool = False
    #: The last epoch that the worker reported, and its metrics, one record a seed.
    epoch: int = 0
    metrics: tuple[EpochMetrics, ...] = ()
    #: Time in training, the mean over the seeds; so no limit depends on ``study.repeat``.
    seconds: float = 0.0
    #: Whether the pruner has told it to stop.
    is_pruned: bool = False
    _seconds_before: float = field(default=0.0, init=False)

    @property
    def number(self) -> int:
        return self.spec.number

    @property
    def val_mse(self) -> float:
        """The mean validation error over the seeds after the last epoch."""
        return fmean(metrics.val_mse for metrics in self.metrics)

    def report(self, event: EpochDone) -> None:
        """Take over what the worker reports of the next epoch."""
        self.epoch, self.metrics = event.epoch, event.metrics
        self._seconds_before = self.seconds
        self.seconds += fmean(metrics.seconds for metrics in event.metrics)

    def exceeds(self, limit: float | None) -> bool:
        """Whether it has trained for more than ``limit`` seconds."""
        return limit is not None and self.seconds > limit

    def just_exceeded(self, limit: float | None) -> bool:
        """Whether its last epoch took it over ``limit`` seconds."""
        return limit is not None and self._seconds_before <= limit < self.seconds
