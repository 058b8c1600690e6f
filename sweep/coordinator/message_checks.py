"""Validation of worker messages: well-formed JSON that contradicts the trial's state.

Faulty memory or a worker of another version causes it. The worker is ended and its trials go to
another; recorded, such a message would end the coordinator, or become a wrong result.
"""

import math

from sweep.coordinator.running_trial import RunningTrial
from sweep.messages import EpochDone, TrialDone, TrialSpec


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
    if any(math.isnan(metrics.val_mse) for metrics in event.metrics):
        _refuse(spec, "a validation error that is no number, in a trial that goes on")


def check_result(trial: RunningTrial, event: TrialDone) -> None:
    """Check that the trial has trained all its epochs, and has results of each seed.

    A trial that is pruned, out of time or diverged ends with another event. Raises ProtocolError.
    """
    spec = trial.spec
    if trial.epoch != spec.config.epochs:
        _refuse(spec, f"a result after {trial.epoch} of {spec.config.epochs} epochs")
    if len(event.results) != len(spec.seeds):
        _refuse(spec, f"the results of {len(event.results)} seeds instead of {len(spec.seeds)}")


def _refuse(spec: TrialSpec, what: str) -> None:
    raise ProtocolError(f"{what} (trial {spec.number})")
