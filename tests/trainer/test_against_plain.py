"""The trainers of single trials against plain numpy in float64, for every choice there is."""

from dataclasses import replace

import numpy as np
import pytest

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule, Trainer, WeightInit
from sweep.trainer import data_order, initial_weights, load_model
from tests.support import plain_training
from tests.support.trainer_factories import SHORT, make_data, start

#: 96 images in batches of 40: two whole ones and a smaller one an epoch.
CONFIG = replace(SHORT, batch_size=40, epochs=2)
SEED = 7


def check_against_plain(config: TrialConfig) -> None:
    """Losses and weights after the last epoch agree to float32's rounding."""
    data = make_data()
    pixels = data.train.numpy().astype(np.float64) / 255.0
    first = [w.double().numpy() for w in initial_weights(config, data.n_inputs, SEED)]
    orders = [data_order(SEED, epoch, len(pixels)).numpy() for epoch in (1, 2)]
    plain = plain_training.train(config, first, pixels, orders)

    for trainer in (Trainer.REFERENCE, Trainer.CPU):
        training = start(config, data, trainer, seeds=(SEED,))
        losses = [training.train_epoch()[0].train_loss for _ in range(config.epochs)]
        content = training.result().weights
        assert content is not None
        assert losses == pytest.approx(plain.losses, rel=1e-5), trainer
        for got, expected in zip(load_model(content).weights, plain.weights, strict=True):
            np.testing.assert_allclose(got.numpy(), expected, 1e-4, 2e-5, err_msg=trainer)


@pytest.mark.parametrize("activation", Activation)
def test_every_activation_trains_as_its_formula_says(activation: Activation) -> None:
    check_against_plain(replace(CONFIG, activation=activation))


@pytest.mark.parametrize("output", Output)
@pytest.mark.parametrize("loss", Loss)
def test_every_loss_trains_as_its_formula_says(loss: Loss, output: Output) -> None:
    if loss is Loss.BCE:
        output = Output.SIGMOID
    check_against_plain(replace(CONFIG, loss=loss, output_activation=output, huber_delta=0.1))


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": Optimizer.SGD, "learning_rate": 0.5},
        {"optimizer": Optimizer.SGD, "momentum": 0.9},
        {"optimizer": Optimizer.SGD, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"optimizer": Optimizer.ADAM, "beta1": 0.8, "beta2": 0.95, "eps": 1e-6},
        {"optimizer": Optimizer.ADAM, "weight_decay": 0.01},
        {"optimizer": Optimizer.ADAMW, "weight_decay": 0.1},
        {"optimizer": Optimizer.RMSPROP, "rmsprop_alpha": 0.9},
        {"optimizer": Optimizer.RMSPROP, "momentum": 0.5, "weight_decay": 0.01},
        {"optimizer": Optimizer.ADAGRAD, "weight_decay": 0.01},
        {"optimizer": Optimizer.NADAM},
        {"optimizer": Optimizer.NADAM, "momentum_decay": 0.5, "weight_decay": 0.01, "beta1": 0.8},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_every_optimizer_steps_as_its_formula_says(settings: dict[str, float]) -> None:
    check_against_plain(replace(CONFIG, **settings))


def test_every_optimizer_is_among_those_compared() -> None:
    assert set(plain_training.OPTIMIZERS) == set(Optimizer)


@pytest.mark.parametrize("schedule", Schedule)
def test_every_schedule_moves_the_rate_step_by_step(schedule: Schedule) -> None:
    check_against_plain(replace(CONFIG, lr_schedule=schedule))


@pytest.mark.parametrize("weight_init", WeightInit)
def test_every_weight_initialisation_trains(weight_init: WeightInit) -> None:
    check_against_plain(replace(CONFIG, weight_init=weight_init))


def test_the_questions_own_choices_train_as_their_formulas_say() -> None:
    config = TrialConfig()
    check_against_plain(replace(config, hidden_width=36, epochs=2, batch_size=40))
