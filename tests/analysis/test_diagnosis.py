"""Trials that were trained into a trouble are told by it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import pytest
import torch

from sweep.analysis.diagnosis import Diagnosis, Limit, Remedy, changes, diagnose, loss_gap
from sweep.analysis.floors import Floors, SigmoidBound, compute_floors
from sweep.analysis.gains import Doubling, Gain, Gains
from sweep.catalogue.settings import SETTINGS
from sweep.config import TrialConfig, check_config
from sweep.enums import Activation, Loss, Noise, Optimizer, Output, Schedule
from sweep.store.records import CurvePoint
from sweep.trainer import Training
from tests.support.factories import make_images
from tests.support.store_factories import trial_row
from tests.support.trainer_factories import SHORT, make_data, start
from tests.support.troubled_training import saturate, stick, train

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
    "too narrow": Planted(Limit.TOO_NARROW, SOUND),
    "too few epochs": Planted(
        Limit.TOO_FEW_EPOCHS, replace(WIDE, epochs=3, lr_schedule=Schedule.CONSTANT)
    ),
    "steps too large": Planted(
        Limit.DIVERGED,
        replace(WIDE, optimizer=Optimizer.SGD, learning_rate=1e3, lr_schedule=Schedule.CONSTANT),
    ),
    "steps far too large": Planted(
        Limit.WORSE_THAN_MEAN, replace(WIDE, learning_rate=1.0, lr_schedule=Schedule.CONSTANT)
    ),
    "dead units": Planted(
        Limit.DEAD_UNITS, replace(WIDE, activation=Activation.RELU, hidden_width=32), _kill
    ),
    "saturated units": Planted(
        Limit.SATURATED_UNITS,
        replace(WIDE, activation=Activation.TANH, hidden_width=32, learning_rate=0.002),
        saturate,
    ),
    "saturated output": Planted(
        Limit.SATURATED_OUTPUTS,
        replace(WIDE, output_activation=Output.SIGMOID, learning_rate=0.002),
        stick,
    ),
    "tiny training set": Planted(
        Limit.OVERFITS,
        replace(WIDE, epochs=300, lr_schedule=Schedule.CONSTANT, learning_rate=0.005),
        train_limit=12,
    ),
    "nothing left to learn from the loss": Planted(
        Limit.WRONG_LOSS,
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
    return diagnose(*train(training), floors_of(planted.train_limit)).limit


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


def curve_of(*errors: float, loss: float | None = None) -> list[CurvePoint]:
    return [
        CurvePoint(epoch=epoch, train_loss=loss or error, val_mse=error, val_bce=None, seconds=0.0)
        for epoch, error in enumerate(errors, start=1)
    ]


def bounds(**others: Any) -> Floors:
    """Of images of 4 pixels."""
    line = (0.1, 0.05, 0.025, 0.0125, 0.0)
    return Floors(
        data_key="data", train_pca_mse=line, val_pca_mse=line, test_pca_mse=line,
        train_entropy=0.2, val_entropy=0.2, test_entropy=0.2, **others,
    )  # fmt: skip


def diagnose_planted(
    *errors: float, test_mse: float | None = None, known: Gains | None = None,
    about: Floors | None = None, loss: float | None = None, trained_on: Loss = Loss.MSE,
    **config: Any,
) -> Diagnosis:  # fmt: skip
    settings = {"loss": trained_on, "output_activation": Output.LINEAR, **config}
    row = trial_row(
        number=0, values=errors[-1:], config=TrialConfig(epochs=len(errors), **settings),
        test_mse=errors[-1] if test_mse is None else test_mse,
    )  # fmt: skip
    return diagnose(row, curve_of(*errors, loss=loss), None, about or bounds(), known)


def gain(of: Doubling, estimate: float, low: float | None = None) -> Gain:
    return Gain(of=of, estimate=estimate, low=low, high=low and 1.0, source="trial 7")


FLAT = (0.04, 0.03, 0.03, 0.03, 0.03, 0.03)


@pytest.mark.parametrize(
    ("errors", "remedy"),
    [((900.0, 30.0, 9.0, 3.0, 0.9), Remedy.LOWER), ((0.3, 0.29, 0.28, 0.27), Remedy.HIGHER)],
)
def test_what_threw_it_off_must_fall_and_what_hardly_moves_must_rise(
    errors: Sequence[float], remedy: Remedy
) -> None:
    found = diagnose_planted(*errors, hidden_width=2)
    assert (found.limit, found.remedy) == (Limit.WORSE_THAN_MEAN, remedy)


@pytest.mark.parametrize(
    ("known", "limit", "remedy"),
    [
        (gain(Doubling.WIDTH, 0.3), Limit.TOO_NARROW, Remedy.WIDTH),
        (gain(Doubling.EPOCHS, 0.3), Limit.TOO_FEW_EPOCHS, Remedy.EPOCHS),
        (gain(Doubling.IMAGES, 0.5), Limit.OVERFITS, Remedy.IMAGES),
    ],
)
def test_the_largest_gain_gives_the_label(known: Gain, limit: Limit, remedy: Remedy) -> None:
    others = {of: gain(of, 0.11) for of in Doubling}
    found = diagnose_planted(*FLAT, hidden_width=2, known={**others, known.of: known})
    assert (found.limit, found.remedy) == (limit, remedy)
    assert "by " + str(known) in found.because and "trial 7" in found.because


@pytest.mark.parametrize(
    "known", [gain(Doubling.EPOCHS, 0.09), gain(Doubling.EPOCHS, 0.3, low=-0.1)]
)
def test_a_gain_that_is_small_or_not_told_from_none_gives_no_label(known: Gain) -> None:
    none = gain(Doubling.WIDTH, 0.0)
    found = diagnose_planted(*FLAT, hidden_width=2, known={known.of: known, none.of: none})
    assert found.limit is Limit.STUCK


def test_with_as_many_units_as_inputs_it_is_never_too_narrow() -> None:
    known = {Doubling.WIDTH: gain(Doubling.WIDTH, 0.5)}
    assert diagnose_planted(*FLAT, hidden_width=3, known=known).limit is Limit.TOO_NARROW
    assert diagnose_planted(*FLAT, hidden_width=4, known=known).limit is Limit.STUCK


def test_a_gap_between_two_errors_that_are_nothing_is_no_overfitting() -> None:
    apart = {"loss": 0.01, "hidden_width": 2}
    assert diagnose_planted(*FLAT, **apart).limit is Limit.OVERFITS
    close = [1e-2 * of for of in FLAT]
    found = diagnose_planted(*close, hidden_width=4, loss=1e-4)
    assert found.loss_gap == pytest.approx(3) and found.limit is not Limit.OVERFITS


def test_an_error_below_that_of_rounding_is_limited_by_nothing() -> None:
    found = diagnose_planted(*FLAT, test_mse=1.2e-6, hidden_width=4, loss=1e-7)
    assert (found.limit, found.remedy) == (Limit.NOTHING, None)


def test_a_linear_code_at_the_bound_of_sigmoid_outputs_has_the_wrong_loss() -> None:
    bound = SigmoidBound(train_bce=0.21, test_bce=0.21, test_mse=0.028)
    network = {
        "hidden_width": 4, "trained_on": Loss.BCE, "output_activation": Output.SIGMOID,
        "activation": Activation.LINEAR, "about": bounds(sigmoid=bound),
    }  # fmt: skip
    found = diagnose_planted(*FLAT, loss=0.2125, **network)
    assert (found.limit, found.remedy) == (Limit.WRONG_LOSS, Remedy.OUTPUT)
    assert found.because.endswith("has 80 % of its excess loss")
    far = diagnose_planted(*FLAT, loss=0.4, **network)
    assert far.limit is Limit.STUCK  # 5 % of it


def test_jumps_about_the_trend_of_a_constant_rate_are_told() -> None:
    jumps = [0.05 * 0.9**epoch * (1.5 if epoch % 2 else 1) for epoch in range(12)]
    found = diagnose_planted(*jumps, hidden_width=4, loss=1.0)
    assert (found.limit, found.remedy) == (Limit.UNSTABLE, Remedy.CALMER)


def test_nothing_is_said_of_a_trial_that_was_pruned() -> None:
    row = trial_row(number=0, state="PRUNED", outcome="pruned")
    assert diagnose(row, []).limit is None


@pytest.mark.parametrize("remedy", [of for of in Remedy if of is not Remedy.IMAGES])
def test_a_remedy_changes_a_configuration_that_can_be_trained(remedy: Remedy) -> None:
    changed = changes(remedy, vars(TrialConfig()))
    typed = {name: SETTINGS[name].to_type(value) for name, value in changed.items()}
    config = replace(TrialConfig(), **typed)
    check_config(config)
    assert config != TrialConfig()
    assert changes(Remedy.OUTPUT, {"output_activation": "linear", "loss": "mse"}) == {}


def test_a_training_loss_of_noisy_images_is_not_compared() -> None:
    config = TrialConfig(loss=Loss.MSE, noise=Noise.MASKING)
    configs = (config, replace(config, noise=Noise.NONE))
    noisy, clean = (trial_row(number=0, values=[0.02], config=of) for of in configs)
    assert loss_gap(noisy, 0.01, None) is None
    assert loss_gap(clean, 0.01, None) is not None
