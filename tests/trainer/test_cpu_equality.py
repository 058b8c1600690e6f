"""The CPU trainer against the reference trainer: weights and every number that is reported."""

from dataclasses import replace
from itertools import product

import pytest
from torch import Tensor

from sweep.names import Activation, Loss, Optimizer, Trainer
from sweep.trainer import DeviceData, load_model
from sweep.trainer.cpu import activations, losses, optimizers
from sweep.trial import TrialConfig
from tests.fused_factories import (
    FUSED,
    MORE_VARIANTS,
    VARIANTS,
    data_of_ten_steps,
    every_choice,
    largest_difference,
    small_data,
)
from tests.trainer_factories import train

VALIDATION = ("val_mse", "val_bce")


def weights(
    config: TrialConfig, data: DeviceData, trainer: Trainer, seed: int
) -> tuple[Tensor, ...]:
    content = train(config, data, trainer, seeds=(seed,)).result().weights
    assert content is not None
    return load_model(content).weights


def check_weights(configs: list[TrialConfig], data: DeviceData) -> None:
    """Each of these trials ends with the weights that the reference trainer gives it."""
    for seed, config in enumerate(configs):
        got, expected = (weights(config, data, trainer, seed) for trainer in BOTH)
        worst = max(map(largest_difference, got, expected))
        assert worst < 1e-5, (config, worst)


#: The one that is tested, and the one that is right.
BOTH = (Trainer.CPU, Trainer.REFERENCE)


def test_every_word_of_a_study_file_is_registered() -> None:
    assert set(activations.KERNELS) == set(Activation)
    assert set(losses.KERNELS) == set(Loss)
    assert set(optimizers.OPTIMIZERS) == set(Optimizer)


@pytest.mark.parametrize("optimizer", Optimizer)
def test_every_choice_trains_as_the_reference_does_for_20_steps(optimizer: Optimizer) -> None:
    check_weights(every_choice(optimizer), data_of_ten_steps())


def test_every_other_setting_of_the_optimizers_trains_as_the_reference_does_for_20_steps() -> None:
    variants = product(Activation, [*VARIANTS, *MORE_VARIANTS])
    check_weights(
        [replace(FUSED, activation=activation, **v) for activation, v in variants],  # type: ignore[arg-type]
        data_of_ten_steps(),
    )


@pytest.mark.parametrize("batch_size", [1, 7, 20, 40, 100])
def test_any_batch_size_trains_as_the_reference_does(batch_size: int) -> None:
    choices = every_choice()[batch_size % 10 :: 31]
    check_weights([replace(config, batch_size=batch_size) for config in choices], small_data())
