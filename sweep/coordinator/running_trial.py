"""Track a trial that a worker has, from its dispatch to its end."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from sweep.enums import StopReason
from sweep.messages import EpochDone, EpochMetrics, TrialSpec

#: A trial's searched settings and their values, in alphabetical order.
Configuration = tuple[tuple[str, Any], ...]


def searched_configuration(params: Mapping[str, Any]) -> Configuration:
    """Make a configuration from Optuna's parameters, whose order may differ between trials."""
    # True == 1 == 1.0 in Python, but the values of one setting have one type.
    return tuple(sorted(params.items()))


@dataclass(kw_only=True, eq=False)
class RunningTrial:
    """One attempt of a trial, and its progress."""

    spec: TrialSpec
    #: Name of the worker that has it.
    worker: str = ""
    configuration: Configuration = ()
    #: Numbers of later trials with the same configuration, which wait for this one's result.
    duplicates: list[int] = field(default_factory=list)
    #: Whether it is in training; otherwise it is queued in the worker.
    has_begun: bool = False
    #: The last epoch that the worker reported, and its metrics, one record per seed.
    epoch: int = 0
    metrics: tuple[EpochMetrics, ...] = ()
    #: The lowest mean validation error of all epochs so far.
    lowest_val_mse: float = math.inf
    #: Time in training, the mean over the seeds; so no limit depends on ``study.repeat``.
    seconds: float = 0.0
    #: Why the worker was told to end it early.
    stop_reason: StopReason | None = None
    #: Number of workers that died while training it, in earlier attempts too.
    n_deaths: int = 0
    _seconds_before: float = field(default=0.0, init=False)

    @property
    def number(self) -> int:
        """Return the trial's number."""
        return self.spec.number

    @property
    def val_mse(self) -> float:
        """The mean validation error over the seeds after the last epoch."""
        return fmean(metrics.val_mse for metrics in self.metrics)

    def report(self, event: EpochDone) -> None:
        """Record the next epoch, as the worker reported it."""
        self.epoch, self.metrics = event.epoch, event.metrics
        self.lowest_val_mse = min(self.lowest_val_mse, self.val_mse)
        self._seconds_before = self.seconds
        self.seconds += fmean(metrics.seconds for metrics in event.metrics)

    def note_stop(self, reason: StopReason) -> None:
        """Record why the worker is told to end it; of several reasons the first in the enum."""
        reasons = {reason, self.stop_reason}
        self.stop_reason = next(one for one in StopReason if one in reasons)

    def just_exceeded(self, limit: float | None) -> bool:
        """Return whether its last epoch took it over ``limit`` seconds."""
        return limit is not None and self._seconds_before <= limit < self.seconds
