"""Dead and saturated units: planted ones are counted, and both trainers count the same."""

from dataclasses import replace

import pytest
import torch

from sweep.catalogue.choices import ACTIVATIONS
from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Output
from sweep.messages import Diagnostics
from sweep.trainer.initialisation import Weights
from sweep.trainer.model import Autoencoder
from sweep.trainer.units import diagnose
from tests.support.fused_factories import FUSED, fused_spec, make_fused, small_data, train_all
from tests.support.trainer_factories import CPU, SHORT, start, train

#: Four units; by their biases two are never above 0, one always far out, one always within.
BIASES = (-9.0, -1.0, 9.0, 1.0)


def plant_units(activation: Activation) -> Diagnostics:
    weights = Weights(
        encoder_weight=torch.zeros(4, 6),
        encoder_bias=torch.tensor(BIASES),
        decoder_weight=torch.full((6, 4), 0.5),
        decoder_bias=torch.zeros(6),
    )
    config = TrialConfig(hidden_width=4, activation=activation)
    # More than one batch, the last one smaller.
    images = torch.full((1_003, 6), 100, dtype=torch.uint8)
    return diagnose(Autoencoder(config, weights.layers, CPU), images, config)


@pytest.mark.parametrize("activation", Activation)
def test_planted_units_are_counted(activation: Activation) -> None:
    found = plant_units(activation)
    assert found.dead_share == (0.5 if ACTIVATIONS[activation].can_die else 0.0)
    assert found.saturated_share == (0.5 if ACTIVATIONS[activation].is_bounded else 0.0)
    assert (found.encoder_norm, found.decoder_norm) == (0.0, pytest.approx(24**0.5 / 2))


def test_a_unit_that_one_image_makes_positive_is_alive() -> None:
    weights = Weights(
        encoder_weight=torch.ones(2, 6),
        encoder_bias=torch.tensor([-0.5, -7.0]),
        decoder_weight=torch.zeros(6, 2),
        decoder_bias=torch.zeros(6),
    )
    config = TrialConfig(hidden_width=2)
    images = torch.zeros(1_500, 6, dtype=torch.uint8)
    images[0] = 255  # of another batch than the last
    assert diagnose(Autoencoder(config, weights.layers, CPU), images, config).dead_share == 0.5


def test_the_reference_trainer_measures_them_for_each_seed() -> None:
    results = train(SHORT, seeds=(1, 2)).result().results
    first, second = (result.diagnostics for result in results)
    assert first is not None and second is not None
    assert first.encoder_norm > 0 and first.encoder_norm != second.encoder_norm


#: What stuck outputs have of the squared errors below.
STUCK = (2 * 0.16 + 0.04) / (3 * 0.16 + 0.04)


@pytest.mark.parametrize(("output", "stuck"), [(Output.SIGMOID, STUCK), (Output.LINEAR, 0.0)])
def test_the_error_of_outputs_that_are_saturated_far_off_is_counted(
    output: Output, stuck: float
) -> None:
    # Of six pixels three are 0.4 off: two by outputs near 1, stuck, one by an output that can move.
    # The others err by 0.2 (stuck too), by 0.01 (saturated, but there) and by nothing.
    copies = torch.tensor([1.0, 1.0, 0.5, 1.0, 1.0, 0.5])
    errors = torch.tensor([0.4, 0.4, 0.4, 0.2, 0.01, 0.0])
    weights = Weights(
        encoder_weight=torch.zeros(2, 6),
        encoder_bias=torch.zeros(2),
        decoder_weight=torch.zeros(6, 2),
        decoder_bias=torch.where(copies == 1.0, 12.0, 0.0),
    )
    config = TrialConfig(hidden_width=2, output_activation=output)
    images = ((copies - errors) * 255).round().to(torch.uint8).expand(1_003, 6)
    found = diagnose(Autoencoder(config, weights.layers, CPU), images, config)
    assert found.stuck_share == pytest.approx(stuck, abs=0.01)


def test_both_trainers_measure_the_same() -> None:
    data = small_data()
    steep = {"output_activation": Output.SIGMOID, "loss": Loss.MSE, "learning_rate": 3.0}
    configs = [
        replace(FUSED, **steep),
        replace(FUSED, hidden_width=20, learning_rate=0.1),
        replace(FUSED, activation=Activation.TANH, learning_rate=0.5),
        replace(FUSED, activation=Activation.SIGMOID, learning_rate=0.5),
    ]
    fused = make_fused(data, rows=80)
    for number, config in enumerate(configs):
        assert fused.admit(fused_spec(number, config))
    train_all(fused, FUSED.epochs)
    shares, stuck = set(), set()
    for number, config in enumerate(configs):
        training = start(config, data, seeds=fused_spec(number).seeds)
        while not training.finished:
            training.train_epoch()
        expected, got = training.result().results[0].diagnostics, fused.diagnostics(number)[0]
        assert expected is not None
        assert vars(got) == pytest.approx(vars(expected), rel=1e-4)
        shares |= {expected.dead_share > 0, expected.saturated_share > 0}
        stuck.add(expected.stuck_share > 0)
    assert shares == stuck == {False, True}  # otherwise this compares nothing
