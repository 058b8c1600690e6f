"""Noise on the inputs of training: what it does, where it stays out, and that a seed repeats it."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from sweep.config import TrialConfig
from sweep.enums import Noise, Optimizer
from sweep.trainer import initial_weights, load_model
from sweep.trainer.noise import NOISES
from sweep.trainer.randomness import noise_generator
from tests.support.trainer_factories import SHORT, make_data, start, train

NOISY = [
    replace(SHORT, noise=Noise.GAUSSIAN, noise_std=0.5),
    replace(SHORT, noise=Noise.MASKING, masked_share=0.5),
]
#: Nothing is learnt, so both errors are those of the first weights.
STILL = {"optimizer": Optimizer.SGD, "learning_rate": 0.0, "epochs": 1}


def corrupt(config: TrialConfig, pixels: torch.Tensor) -> torch.Tensor:
    return NOISES[config.noise](pixels, config, noise_generator(seed=1))


def test_gaussian_noise_has_its_standard_deviation_and_is_not_cut() -> None:
    config = TrialConfig(noise=Noise.GAUSSIAN, noise_std=0.4)
    pixels = torch.full((300, 100), 0.9)
    added = corrupt(config, pixels) - pixels
    assert float(added.std()) == pytest.approx(0.4, rel=0.02)
    assert float(added.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(added.max()) > 1.0


def test_masking_sets_its_share_of_pixels_to_0_and_leaves_the_others() -> None:
    config = TrialConfig(noise=Noise.MASKING, masked_share=0.3)
    found = corrupt(config, torch.full((300, 100), 0.9))
    assert found.unique().tolist() == [0.0, pytest.approx(0.9)]
    assert float((found == 0).float().mean()) == pytest.approx(0.3, abs=0.01)


def test_every_noise_is_registered() -> None:
    assert {*NOISES} == {*Noise}


@pytest.mark.parametrize("config", NOISY, ids=lambda config: config.noise)
def test_only_training_is_noisy(config: TrialConfig) -> None:
    noisy = train(replace(config, **STILL)).result()
    clean = train(replace(config, noise=Noise.NONE, **STILL)).result()
    assert noisy.results == clean.results
    with_noise, without = (start(replace(of, **STILL)) for of in (config, SHORT))
    assert with_noise.train_epoch()[0].train_loss != without.train_epoch()[0].train_loss


def test_the_loss_compares_copies_of_noisy_images_with_the_clean_ones() -> None:
    # All is masked: every copy is that of a black image.
    config = replace(SHORT, noise=Noise.MASKING, masked_share=1 - 1e-9, **STILL)
    data = make_data()
    weights = initial_weights(config, 36, seed=7)
    hidden = torch.relu(weights.encoder_bias)
    copy = torch.sigmoid(weights.decoder_weight @ hidden + weights.decoder_bias)
    clean = data.train.float() / 255
    expected = functional.binary_cross_entropy(copy.expand_as(clean), clean)
    assert start(config, data).train_epoch()[0].train_loss == pytest.approx(float(expected))


@pytest.mark.parametrize("config", NOISY, ids=lambda config: config.noise)
def test_the_same_seed_draws_the_same_noise_in_every_step_another(config: TrialConfig) -> None:
    one, again = (train(config).result() for _ in range(2))
    assert one.weights == again.weights
    alone = replace(config, **{**STILL, "epochs": 2})
    first, second = start(alone), start(alone, seeds=(8,))
    losses = [first.train_epoch()[0].train_loss for _ in range(2)]
    assert losses[0] != losses[1]  # the images are the same, and so are the weights
    assert second.train_epoch()[0].train_loss not in losses


def test_noise_touches_neither_the_first_weights_nor_the_order() -> None:
    # With next to no noise a trial is the one without, to rounding.
    config = replace(SHORT, noise=Noise.GAUSSIAN, noise_std=1e-9)
    noisy, clean = (train(of).result().weights for of in (config, SHORT))
    assert noisy is not None and clean is not None
    for got, expected in zip(load_model(noisy).weights, load_model(clean).weights, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)
