"""Training with a trouble that is planted, and the trial as its study would have it."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import torch

from sweep.config import TrialConfig
from sweep.enums import Outcome
from sweep.messages import EpochMetrics, TestMetrics
from sweep.store.records import CurvePoint, TrialRow, mean_of
from sweep.trainer import Diverged, Training


def saturate(training: Training) -> None:
    """Hidden units far out on their activation."""
    with torch.no_grad():
        for run in training._runs:
            run.model.encoder.weight *= 500.0


def stick(training: Training) -> None:
    """Every output is far out, on one side or the other."""
    with torch.no_grad():
        for run in training._runs:
            run.model.decoder.bias[::2] = 30.0
            run.model.decoder.bias[1::2] = -30.0


class TrainedTrial(NamedTuple):
    """A trial as its study would have it; means over the seeds."""

    trial: TrialRow
    curve: list[CurvePoint]
    diagnostics: Mapping[str, float] | None


def train(training: Training) -> TrainedTrial:
    """Train to the end, or until training diverges."""
    config, epochs = training.spec.config, []
    try:
        while not training.finished:
            epochs.append(training.train_epoch())
    except Diverged:
        return TrainedTrial(trial_row(config, ()), curve_of(epochs), None)
    results = training.result().results
    found = mean_of([vars(of.diagnostics) for of in results if of.diagnostics])
    return TrainedTrial(trial_row(config, results), curve_of(epochs), found)


def curve_of(epochs: Sequence[Sequence[EpochMetrics]]) -> list[CurvePoint]:
    """The curve of a trial, its seeds' metrics by epoch."""
    return [
        CurvePoint(
            epoch=place + 1,
            train_loss=fmean(of.train_loss for of in seeds),
            val_mse=fmean(of.val_mse for of in seeds),
            val_bce=None,
            seconds=fmean(of.seconds for of in seeds),
        )
        for place, seeds in enumerate(epochs)
    ]


def trial_row(config: TrialConfig, results: Sequence[TestMetrics]) -> TrialRow:
    """As reading gives a trial that ended so; one without results has diverged."""
    bces = [of.test_bce for of in results if of.test_bce is not None]
    return row_of(
        config,
        fmean(of.test_mse for of in results) if results else None,
        fmean(bces) if bces else None,
    )


def row_of(config: TrialConfig, test_mse: float | None, test_bce: float | None) -> TrialRow:
    """A trial of these errors; without one it has diverged."""
    unknown: dict[str, Any] = dict.fromkeys(TrialRow.__dataclass_fields__)
    known = {
        "number": 0,
        "config": vars(config),
        "state": "COMPLETE" if test_mse is not None else "FAIL",
        "outcome": Outcome.COMPLETE if test_mse is not None else Outcome.DIVERGED,
        "test_mse": test_mse,
        "test_bce": test_bce,
    }
    return TrialRow(**{**unknown, **known})
