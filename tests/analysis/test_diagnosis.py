"""Trials that were trained into a trouble are told by it."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from typing import NamedTuple

import pytest
import torch

from benchmarks.labels import saturate, stick
from sweep.analysis.diagnosis import Limit, diagnose, loss_gap
from sweep.analysis.floors import Floors, compute_floors
from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Noise, Optimizer, Output, Schedule
from sweep.store.records import CurvePoint
from sweep.trainer import Diverged, Training
from tests.factories import make_images
from tests.store_factories import trial_row
from tests.trainer_factories import SHORT, make_data, start

#: Five patterns mixed, and noise: five components hold what can be told of an image.
IMAGES = make_images(n_train=600, n_test=200)
#: Settles, far from any trouble.
SOUND = replace(
    SHORT,
    hidden_width=3,
    activation=Activation.LINEAR,
    output_activation=Output.LINEAR,
    loss=Loss.MSE,
    epochs=40,
    learning_rate=0.02,
    lr_schedule=Schedule.COSINE,
)
WIDE = replace(SOUND, hidden_width=36)


class Planted(NamedTuple):
    """A trouble, and the label that it deserves."""

    limit: Limit
    config: TrialConfig
    #: Does to the weights at the start what is planted.
    harm: Callable[[Training], None] = lambda _: None
    train_limit: int | None = None


def _kill(training: Training) -> None:
    """Three of four units are never above 0 again."""
    with torch.no_grad():
        for run in training._runs:
            run.model.encoder.bias[::4] += 0.1
            for first in (1, 2, 3):
                run.model.encoder.bias[first::4] = -1e3


PLANTED = {
    "too narrow": Planted(Limit.CAPACITY, SOUND),
    "too few epochs": Planted(Limit.BUDGET, replace(WIDE, epochs=3, lr_schedule=Schedule.CONSTANT)),
    "steps too large": Planted(
        Limit.OPTIMISATION,
        replace(WIDE, optimizer=Optimizer.SGD, learning_rate=1e3, lr_schedule=Schedule.CONSTANT),
    ),
    "steps that bounce": Planted(
        Limit.OPTIMISATION, replace(WIDE, learning_rate=1.0, lr_schedule=Schedule.CONSTANT)
    ),
    "dead units": Planted(
        Limit.SATURATION, replace(WIDE, activation=Activation.RELU, hidden_width=32), _kill
    ),
    "saturated units": Planted(
        Limit.SATURATION,
        replace(WIDE, activation=Activation.TANH, hidden_width=32, learning_rate=0.002),
        saturate,
    ),
    "saturated output": Planted(
        Limit.SATURATION,
        replace(WIDE, output_activation=Output.SIGMOID, learning_rate=0.002),
        stick,
    ),
    "tiny training set": Planted(
        Limit.GENERALISATION,
        replace(WIDE, epochs=300, lr_schedule=Schedule.CONSTANT, learning_rate=0.005),
        train_limit=12,
    ),
    "nothing left to learn from the loss": Planted(
        Limit.LOSS_FLOOR,
        replace(
            WIDE, loss=Loss.BCE, output_activation=Output.SIGMOID, learning_rate=0.005, epochs=60
        ),
    ),
}
SEEDS = range(5)


@cache
def floors_of(train_limit: int | None) -> Floors:
    return compute_floors(IMAGES, 0.2, 0, train_limit)


@cache
def label(name: str, seed: int) -> Limit | None:
    """What is said of a planted trial, trained in earnest."""
    planted = PLANTED[name]
    data = make_data(IMAGES, train_limit=planted.train_limit)
    training = start(planted.config, data, seeds=(seed,))
    planted.harm(training)
    curve: list[CurvePoint] = []
    try:
        while not training.finished:
            (of,) = training.train_epoch()
            curve.append(
                CurvePoint(
                    epoch=training.epoch,
                    train_loss=of.train_loss,
                    val_mse=of.val_mse,
                    val_bce=of.val_bce,
                    seconds=0.0,
                )
            )
    except Diverged:
        row = trial_row(number=0, state="FAIL", outcome="diverged", config=planted.config)
        return diagnose(row, curve).limit
    (result,) = training.result().results
    row = trial_row(
        number=0,
        values=(curve[-1].val_mse or 0.0,),
        config=planted.config,
        test_mse=result.test_mse,
        test_bce=result.test_bce,
    )
    return diagnose(row, curve, vars(result.diagnostics), floors_of(planted.train_limit)).limit


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_trouble_is_told(name: str) -> None:
    labels = [label(name, seed) for seed in SEEDS]
    assert max(set(labels), key=labels.count) == PLANTED[name].limit, labels


def test_at_most_one_planted_trial_in_twenty_is_told_wrong() -> None:
    wrong = [
        (name, seed, label(name, seed))
        for name, seed in product(PLANTED, SEEDS)
        if label(name, seed) != PLANTED[name].limit
    ]
    assert len(wrong) <= len(PLANTED) * len(SEEDS) / 20, wrong


@pytest.mark.parametrize(("error", "limit"), [(0.9, Limit.OPTIMISATION), (0.01, Limit.BUDGET)])
def test_steps_that_threw_it_off_are_to_blame_until_it_has_come_back(
    error: float, limit: Limit
) -> None:
    errors = (900.0, 30.0, 9.0, 3.0, error)
    curve = [
        CurvePoint(epoch=i + 1, train_loss=of, val_mse=of, val_bce=None, seconds=0.0)
        for i, of in enumerate(errors)
    ]
    row = trial_row(number=0, values=(error,), config=WIDE)
    assert diagnose(row, curve, None, floors_of(None)).limit is limit


def test_nothing_is_said_of_a_trial_that_was_pruned() -> None:
    row = trial_row(number=0, state="PRUNED", outcome="pruned")
    assert diagnose(row, []).limit is None


def test_a_training_loss_of_noisy_images_is_not_compared() -> None:
    config = TrialConfig(loss=Loss.MSE, noise=Noise.MASKING)
    configs = (config, replace(config, noise=Noise.NONE))
    noisy, clean = (trial_row(number=0, values=[0.02], config=of) for of in configs)
    assert loss_gap(noisy, 0.01, None) is None
    assert loss_gap(clean, 0.01, None) is not None
