"""Estimate how long configurations train, from some whose time is known.

An epoch takes N (a L / B + b W) seconds for N images in batches of B, L layers on each side of the
code and W weights; a is the time of a step per layer, independent of its width, b the time of a
weight per image.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from scipy.optimize import nnls

from sweep.config import TrialConfig, layer_widths, typed_config
from sweep.store.handle import StudyHandle

#: Seconds of an epoch of a configuration, with one seed.
EpochSeconds = Callable[[TrialConfig], float]


def count_weights(config: TrialConfig, n_inputs: int) -> int:
    """Count the weights of a network, without biases."""
    return sum(fan_in * fan_out for fan_in, fan_out in pairwise(layer_widths(config, n_inputs)))


def fit_epoch_seconds(
    configs: Sequence[TrialConfig],
    seconds: Sequence[float],  # of an epoch of each, above 0
    n_inputs: int,
) -> EpochSeconds:
    """Fit a and b, neither negative, by the least squares of relative errors."""

    def terms(config: TrialConfig) -> tuple[float, float]:
        return (1 + config.hidden_layers) / config.batch_size, count_weights(config, n_inputs)

    measured = np.array([terms(config) for config in configs]) / np.array(seconds)[:, None]
    coefficients, _ = nnls(measured, np.ones(len(measured)))
    return lambda config: float(np.dot(terms(config), coefficients))


def clock_seconds(study: StudyHandle) -> EpochSeconds | None:
    """Predict how long an epoch takes in wall time, at the study's pace; None if unknown.

    Its workers train at the same time, and other work takes time too: the pace is the time for
    which a coordinator ran the study, divided by the seconds that its trials trained.
    """
    shape = study.record().provenance.get("images", {})
    trained = [row for row in study.trials() if row.train_seconds]
    whole = [row for row in trained if row.state == "COMPLETE"]
    wall = study.usage().wall_seconds
    if not (whole and wall and shape):
        return None
    configs = [typed_config(row.config) for row in whole]
    epoch_seconds = fit_epoch_seconds(
        configs,
        [
            (row.train_seconds or 0.0) / config.epochs
            for row, config in zip(whole, configs, strict=True)
        ],
        shape["height"] * shape["width"] * shape["channels"],
    )
    pace = wall / sum((row.train_seconds or 0.0) * len(row.seeds) for row in trained)
    return lambda config: pace * epoch_seconds(config)
