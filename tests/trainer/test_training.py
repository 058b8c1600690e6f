"""A trial's life in the trainers of single trials: the reference trainer and the CPU trainer."""

import io
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from sweep.enums import Loss, Optimizer, Output, Trainer
from sweep.messages import EpochMetrics
from sweep.trainer import Diverged, load_model
from sweep.trainer.data import strip_rows
from tests.support import trainer_factories
from tests.support.factories import make_images, make_unlabelled, with_black_and_white
from tests.support.trainer_factories import SHORT, Start, make_data


def numbers(metrics: EpochMetrics) -> EpochMetrics:
    """Without the time, which no seed decides."""
    return replace(metrics, seconds=0.0)


@pytest.fixture(params=[Trainer.REFERENCE, Trainer.CPU])
def trainer(request: pytest.FixtureRequest) -> Trainer:
    """Each trainer of single trials in turn."""
    kind: Trainer = request.param
    return kind


@pytest.fixture
def start(trainer: Trainer) -> Start:
    """Starts trials with that trainer."""
    return partial(trainer_factories.start, trainer=trainer)


@pytest.fixture
def train(trainer: Trainer) -> Start:
    """Trains them to their last epoch."""
    return partial(trainer_factories.train, trainer=trainer)


def test_training_counts_its_epochs_and_knows_when_it_is_done(start: Start) -> None:
    training = start()
    assert (training.epoch, training.finished) == (0, False)
    training.train_epoch()
    assert (training.epoch, training.finished) == (1, False)
    training.train_epoch()
    assert (training.epoch, training.finished) == (2, True)


def test_training_reduces_the_error(start: Start) -> None:
    training = start(replace(SHORT, epochs=20, learning_rate=0.05))
    curve = [training.train_epoch()[0].val_mse for _ in range(20)]
    assert curve[-1] < 0.75 * curve[0]


def test_the_same_spec_gives_the_same_bits_again(train: Start) -> None:
    data = make_data()
    one, again = train(data=data).result(), train(data=data).result()
    assert one.weights == again.weights
    assert one.results == again.results


def test_a_trial_is_the_same_among_others_as_alone(start: Start, train: Start) -> None:
    data = make_data()
    trial, neighbour = start(data=data), start(replace(SHORT, hidden_width=16), data, seeds=(1,))
    for _ in range(SHORT.epochs):
        neighbour.train_epoch()
        torch.rand(3)
        trial.train_epoch()
    assert trial.result().weights == train(data=data).result().weights


def test_seeds_in_lockstep_train_as_each_would_alone(start: Start) -> None:
    data = make_data()
    together = start(data=data, seeds=(7, 8))
    alone = [start(data=data, seeds=(seed,)) for seed in (7, 8)]
    for _ in range(SHORT.epochs):
        metrics = [numbers(one) for one in together.train_epoch()]
        assert metrics == [numbers(training.train_epoch()[0]) for training in alone]
    assert together.result().results == tuple(one.result().results[0] for one in alone)


def test_seeds_differ(train: Start) -> None:
    first, second = train(seeds=(7, 8)).result().results
    assert first.test_mse != second.test_mse


@pytest.mark.parametrize("batch_size", [32, 40, 96, 1000])
def test_every_batch_size_sees_every_image_once_an_epoch(start: Start, batch_size: int) -> None:
    # With a learning rate of 0 the mean loss is that of the whole training set, however it is cut.
    config = replace(SHORT, batch_size=batch_size, learning_rate=0.0, optimizer=Optimizer.SGD)
    whole = replace(config, batch_size=96)
    expected = start(whole).train_epoch()[0].train_loss
    assert start(config).train_epoch()[0].train_loss == pytest.approx(expected, rel=1e-6)


def test_validation_is_measured_after_the_epoch_with_both_errors(start: Start) -> None:
    data = make_data()
    training = start(replace(SHORT, loss=Loss.MSE), data)
    metrics = training.train_epoch()[0]
    content = training.result().weights
    assert content is not None
    saved = load_model(content).weights
    pixels = data.validation.double() / 255.0
    hidden = torch.relu(pixels @ saved.encoder_weight.T.double() + saved.encoder_bias)
    copy = torch.sigmoid(hidden @ saved.decoder_weight.T.double() + saved.decoder_bias)
    bce = -(pixels * copy.log() + (1 - pixels) * (1 - copy).log()).mean()
    assert metrics.val_mse == pytest.approx(float((copy - pixels).square().mean()), rel=1e-5)
    assert metrics.val_bce == pytest.approx(float(bce), rel=1e-5)


def test_a_linear_output_has_no_cross_entropy(start: Start) -> None:
    training = start(replace(SHORT, loss=Loss.MSE, output_activation=Output.LINEAR))
    assert training.train_epoch()[0].val_bce is None
    assert training.result().results[0].test_bce is None


def test_bce_with_a_linear_output_is_refused(start: Start) -> None:
    with pytest.raises(ValueError, match="needs output_activation sigmoid"):
        start(replace(SHORT, output_activation=Output.LINEAR)).train_epoch()


def test_a_training_limit_trains_on_so_many_and_validates_on_all() -> None:
    data = make_data(train_limit=10)
    assert len(data.train) == 10
    assert torch.equal(data.validation, make_data().validation)


def test_a_loss_that_is_no_longer_finite_ends_the_trial_with_epoch_and_reason(start: Start) -> None:
    config = replace(
        SHORT,
        optimizer=Optimizer.SGD,
        learning_rate=1e30,
        loss=Loss.MSE,
        output_activation=Output.LINEAR,
    )
    training = start(config)
    with pytest.raises(Diverged, match=r"training loss became (nan|inf) in epoch 1$") as raised:
        training.train_epoch()
    assert raised.value.epoch == 1
    assert training.epoch == 0


def test_a_weight_that_is_no_longer_finite_ends_the_trial_too(start: Start) -> None:
    # One step an epoch: the loss is taken before it, so only the weights can tell.
    config = replace(
        SHORT, optimizer=Optimizer.SGD, learning_rate=3e38, batch_size=1000, weight_decay=3e38
    )
    with pytest.raises(Diverged, match=r"encoder\.weight is no longer finite in epoch 1$"):
        start(config).train_epoch()


def test_of_several_seeds_the_one_that_diverged_is_named(start: Start) -> None:
    config = replace(
        SHORT,
        optimizer=Optimizer.SGD,
        learning_rate=1e30,
        loss=Loss.MSE,
        output_activation=Output.LINEAR,
    )
    with pytest.raises(Diverged, match=r"\(seed 8\)$"):
        start(config, seeds=(8, 9)).train_epoch()


def test_the_result_carries_number_attempt_and_time(train: Start) -> None:
    result = train(number=12, attempt=2).result()
    assert (result.number, result.attempt) == (12, 2)
    assert result.train_seconds > 0


def test_train_seconds_do_not_grow_with_the_number_of_seeds(start: Start) -> None:
    training = start(seeds=(1, 2))
    seconds = [metrics.seconds for _ in range(2) for metrics in training.train_epoch()]
    assert training.result().train_seconds == pytest.approx(sum(seconds) / 2)


@pytest.mark.parametrize("output", Output)
def test_test_metrics_are_what_their_names_say(train: Start, output: Output) -> None:
    images = with_black_and_white(make_images())
    training = train(replace(SHORT, loss=Loss.MSE, output_activation=output), make_data(images))
    result = training.result()
    metrics = result.results[0]
    assert result.weights is not None
    saved = load_model(result.weights).weights
    pixels = images.test_images / 255.0
    hidden = np.maximum(pixels @ saved.encoder_weight.numpy().T + saved.encoder_bias.numpy(), 0)
    copies = hidden @ saved.decoder_weight.numpy().T + saved.decoder_bias.numpy()
    if output is Output.SIGMOID:
        copies = 1 / (1 + np.exp(-copies))
    squares = (copies - pixels) ** 2
    exact = np.clip(np.round(copies * 255), 0, 255) == images.test_images
    by_class = [squares[images.test_labels == label].mean() for label in range(10)]
    assert metrics.test_mse == pytest.approx(squares.mean(), rel=1e-5)
    assert metrics.psnr == pytest.approx(-10 * math.log10(squares.mean()), rel=1e-5)
    assert metrics.per_class_mse == pytest.approx(by_class, rel=1e-5)
    assert metrics.exact_pixel_share == pytest.approx(exact.mean(), abs=2e-3)
    assert metrics.n_parameters == 2 * 36 * 8 + 8 + 36
    black, white = images.test_images == 0, images.test_images == 255
    assert metrics.pixel_errors is not None
    assert tuple(vars(metrics.pixel_errors).values()) == pytest.approx(
        (
            *(black.mean(), white.mean()),
            *(squares[of].sum() / squares.sum() for of in (black, white)),
        ),
        rel=1e-4,
    )


def test_weights_come_only_below_the_threshold(train: Start) -> None:
    assert train(keep_below=0.0).result().weights is None
    assert train(keep_below=1.0).result().weights is not None
    assert train(keep_below=0.0, keep_always=True).result().weights is not None


def test_the_strips_are_ten_grey_images_side_by_side(train: Start) -> None:
    data = make_data()
    result = train(data=data).result()
    originals = data.originals_png
    for content in (originals, result.reconstructions_png, result.errors_png):
        image = Image.open(io.BytesIO(content))
        assert (image.mode, image.size) == ("L", (10 * 6 + 9 * 2, 6))
    strip = np.asarray(Image.open(io.BytesIO(originals)))
    assert np.array_equal(strip[:, 8:14].ravel(), make_images().test_images[1])


def test_images_in_colour_and_without_labels_train_like_others(train: Start) -> None:
    data = make_data(make_unlabelled())
    result = train(data=data).result()
    assert result.results[0].per_class_mse == ()
    for content in (data.originals_png, result.reconstructions_png, result.errors_png):
        image = Image.open(io.BytesIO(content))
        assert (image.mode, image.size) == ("RGB", (10 * 3 + 9 * 2, 4))
    strip = np.asarray(Image.open(io.BytesIO(data.originals_png)))
    assert np.array_equal(strip[:, 5:8].ravel(), make_unlabelled().test_images[1])
    assert result.weights is not None
    assert load_model(result.weights).shape == make_unlabelled().shape


def test_the_strip_shows_the_first_image_of_each_of_ten_classes() -> None:
    labels = np.array([3, 3, 0, 1, 2, 4, 5, 6, 7, 8, 9, 9], np.uint8)
    assert strip_rows(labels, len(labels)) == (2, 3, 4, 0, 5, 6, 7, 8, 9, 10)


@pytest.mark.parametrize(("n", "expected"), [(12, 10), (4, 4)])
def test_the_strip_shows_the_first_ten_of_any_other_set(n: int, expected: int) -> None:
    assert strip_rows(np.zeros(n, np.uint8), n) == tuple(range(expected))
