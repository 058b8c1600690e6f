"""Validate worker messages: well-formed JSON that contradicts the trial's state.

Faulty memory or a worker of another version causes it. The worker is killed and its trials go to
another; if recorded, such a message would crash the coordinator, or become a wrong result.
"""

import math

from sweep.coordinator.running_trial import RunningTrial
from sweep.messages import (
    Capacity,
    EpochDone,
    TrialDone,
    TrialRequest,
    TrialSpec,
    TrialStopped,
    unpack_spectrum,
)


class ProtocolError(Exception):
    """A message that contradicts the trial's state."""


def check_epoch(trial: RunningTrial, event: EpochDone) -> None:
    """Check that it is the trial's next epoch, with metrics of each seed. Raises ProtocolError."""
    spec = trial.spec
    if event.epoch > spec.config.epochs:
        _refuse(spec, f"epoch {event.epoch} of {spec.config.epochs}")
    if event.epoch != trial.epoch + 1:
        _refuse(spec, f"epoch {event.epoch} after epoch {trial.epoch}")
    if len(event.metrics) != len(spec.seeds):
        _refuse(spec, f"the metrics of {len(event.metrics)} seeds instead of {len(spec.seeds)}")
    if not all(math.isfinite(metrics.val_mse) for metrics in event.metrics):
        _refuse(spec, "a validation error that is not finite, in a trial that continues")
    for metrics in event.metrics:
        if metrics.spectrum is not None:
            try:
                unpack_spectrum(metrics.spectrum)
            except ValueError as error:
                _refuse(spec, f"an invalid error spectrum: {error}")


def check_result(trial: RunningTrial, event: TrialDone) -> None:
    """Check that the trial has trained all its epochs, and has results of each seed.

    A trial that is pruned, out of time or diverged ends with another event. Raises ProtocolError.
    """
    spec = trial.spec
    if trial.epoch != spec.config.epochs:
        _refuse(spec, f"a result after {trial.epoch} of {spec.config.epochs} epochs")
    if len(event.results) != len(spec.seeds):
        _refuse(spec, f"the results of {len(event.results)} seeds instead of {len(spec.seeds)}")


def check_stopped(trial: RunningTrial, event: TrialStopped) -> None:
    """Check that a trial was to end, after its last reported epoch. Raises ProtocolError."""
    if trial.stop_reason is None:
        _refuse(trial.spec, "the end of a trial that was not told to stop")
    if event.epoch != trial.epoch:
        _refuse(trial.spec, f"a stop after epoch {event.epoch} instead of {trial.epoch}")


def check_request(capacity: Capacity, event: TrialRequest) -> None:
    """Check that no more trials are requested than the worker can hold. Raises ProtocolError.

    The limit is twice its slots: the next trial of a slot may begin while the last epoch of the
    previous one is measured.
    """
    most = 2 * capacity.n_populations * capacity.n_trials + capacity.n_queued
    if not 0 <= event.n <= most:
        raise ProtocolError(f"a request for {event.n} trials, with room for {most}")


def _refuse(spec: TrialSpec, what: str) -> None:
    raise ProtocolError(f"{what} (trial {spec.number})")
