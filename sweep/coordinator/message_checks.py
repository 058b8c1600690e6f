"""What a worker cannot have meant: lines that read well, about a training that never was.

A fault of memory, a worker of another version. It is told as what it is, and costs that worker,
whose trials go to another; booked, it would end the coordinator, or stand among the results.
"""

import math

from sweep.coordinator.running_trial import RunningTrial
from sweep.messages import EpochDone, TrialDone, TrialSpec


class ProtocolError(Exception):
    """What was sent, in words."""


def check_epoch(trial: RunningTrial, event: EpochDone) -> None:
    """The epoch of this trial after its last, with numbers for each seed. Raises ProtocolError."""
    spec = trial.spec
    if event.epoch > spec.config.epochs:
        _refuse(spec, f"epoch {event.epoch} of {spec.config.epochs}")
    if event.epoch != trial.epoch + 1:
        _refuse(spec, f"epoch {event.epoch} after epoch {trial.epoch}")
    if len(event.metrics) != len(spec.seeds):
        _refuse(spec, f"the metrics of {len(event.metrics)} seeds instead of {len(spec.seeds)}")
    if any(math.isnan(metrics.val_mse) for metrics in event.metrics):
        _refuse(spec, "a validation error that is no number, of a trial that goes on")


def check_result(trial: RunningTrial, event: TrialDone) -> None:
    """The end of a trial that has trained all its epochs, with results for each seed.

    One that is pruned, out of time or diverged ends with another event. Raises ProtocolError.
    """
    spec = trial.spec
    if trial.epoch != spec.config.epochs:
        _refuse(spec, f"a result after {trial.epoch} of {spec.config.epochs} epochs")
    if len(event.results) != len(spec.seeds):
        _refuse(spec, f"the results of {len(event.results)} seeds instead of {len(spec.seeds)}")


def _refuse(spec: TrialSpec, what: str) -> None:
    raise ProtocolError(f"{what} (trial {spec.number})")
