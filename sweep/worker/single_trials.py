"""Train one trial at a time: the reference and the CPU trainer, as a session drives them."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch

from sweep.active_trial import ActiveTrial
from sweep.messages import (
    Capacity,
    EpochDone,
    EpochMetrics,
    TrialDiverged,
    TrialDone,
    TrialFailed,
    TrialSpec,
)
from sweep.trainer.device_errors import is_out_of_memory
from sweep.trainer.training import Diverged


class TrialTraining(Protocol):
    """One trial in training, all its seeds."""

    def train_epoch(self) -> tuple[EpochMetrics, ...]:
        """Train every seed for one more epoch and validate it."""

    def result(self) -> TrialDone:
        """Measure the test set."""


class SingleTrials:
    """A population of one trial, whatever its width and seeds.

    An error that is not the device's ends only the trial; so does running out of memory.
    """

    def __init__(self, start: Callable[[TrialSpec], TrialTraining]) -> None:
        self._start = start
        self._trained_seconds = 0.0
        self._current: tuple[ActiveTrial, TrialTraining] | None = None

    def capacity(self) -> Capacity:
        """Return the capacity of one trial."""
        return Capacity()

    def trained_seconds(self) -> float:
        """Return for how long the device has trained."""
        return self._trained_seconds

    def n_free(self) -> int:
        """Return how many trials may begin now: one or none."""
        return int(self._current is None)

    def admit(self, spec: TrialSpec) -> ActiveTrial | None:
        """Begin a trial; return None while another one trains."""
        if self._current is not None:
            return None
        with self._time_training():
            training = self._start(spec)
        trial = ActiveTrial(spec=spec)
        self._current = trial, training
        return trial

    def train_epoch(self) -> Sequence[EpochDone | TrialDiverged | TrialFailed]:
        """Train the trial for an epoch."""
        assert self._current is not None
        trial, training = self._current
        about = {"number": trial.spec.number, "attempt": trial.spec.attempt}
        try:
            with self._time_training():
                metrics = training.train_epoch()
        except Diverged as error:
            self._current = None
            return [TrialDiverged(**about, epoch=error.epoch, reason=error.reason)]
        except TrialError as error:
            self._current = None
            return [TrialFailed(**about, reason=str(error))]
        trial.launched = trial.epoch = trial.epoch + 1
        return [EpochDone(**about, epoch=trial.epoch, metrics=metrics)]

    def stop(self, trial: ActiveTrial) -> None:
        """End the trial early."""
        trial.stopped = True
        self._current = None

    def result(self, number: int, keep_below: float) -> TrialDone | TrialFailed:
        """Measure the test set; pictures are always made, weights by the trial's own threshold."""
        assert self._current is not None
        (trial, training), self._current = self._current, None
        try:
            with self._time_training():
                return training.result()
        except TrialError as error:
            return TrialFailed(number=number, attempt=trial.spec.attempt, reason=str(error))

    def halve(self) -> None:
        """Drop the trial: it does not fit even alone."""
        self._current = None

    @contextmanager
    def _time_training(self) -> Iterator[None]:
        """Measure the time; raise TrialError for errors after which other trials can be trained."""
        began = time.monotonic()
        try:
            yield
        except (RuntimeError, ValueError, MemoryError) as error:  # includes torch's out of memory
            if isinstance(error, torch.AcceleratorError) and not is_out_of_memory(error):
                raise  # the device cannot continue; the trial is requeued
            raise TrialError(f"{type(error).__name__}: {error}") from error
        finally:
            self._trained_seconds += time.monotonic() - began


class TrialError(ValueError):
    """A trial that cannot be trained; the message says why."""
