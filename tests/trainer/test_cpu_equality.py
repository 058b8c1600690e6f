"""The CPU trainer against the reference trainer: weights and every number that is reported."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from sweep import datasets
from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer, Output, Trainer
from sweep.messages import EpochMetrics, TrialDone, unpack_spectrum
from sweep.trainer import DeviceData, Diverged, load_model
from sweep.trainer.cpu import activations, losses, optimizers
from sweep.trainer.cpu.step import ManualStep
from tests.support.factories import make_images, with_black_and_white
from tests.support.fused_factories import (
    FUSED,
    MORE_VARIANTS,
    VARIANTS,
    data_of_ten_steps,
    every_choice,
    every_pair,
    largest_difference,
    small_data,
)
from tests.support.trainer_factories import CPU, analyse_all, make_data, make_setup, start, train

#: The one that is tested, and the one that is right.
BOTH = (Trainer.CPU, Trainer.REFERENCE)


def weights(
    config: TrialConfig, data: DeviceData, trainer: Trainer, seed: int
) -> tuple[Tensor, ...]:
    content = train(config, data, trainer, seeds=(seed,)).result().weights
    assert content is not None
    return load_model(content).weights


def worst_difference(config: TrialConfig, data: DeviceData, seed: int) -> float:
    got, expected = (weights(config, data, trainer, seed) for trainer in BOTH)
    return max(map(largest_difference, got, expected))


def check_weights(configs: list[TrialConfig], data: DeviceData) -> None:
    """Each of these trials ends with the weights that the reference trainer gives it.

    A mistake shows with any seed; rounding that a trial amplifies, with few.
    """
    for seed, config in enumerate(configs):
        worst = worst_difference(config, data, seed)
        if worst >= 1e-5:
            worst = worst_difference(config, data, seed + 1000)
        assert worst < 1e-5, (config, worst)


def test_every_word_of_a_study_file_is_registered() -> None:
    assert set(activations.KERNELS) == set(Activation)
    assert set(losses.KERNELS) == set(Loss)
    assert set(optimizers.OPTIMIZERS) == set(Optimizer)


def test_every_pair_of_choices_trains_as_the_reference_does_for_20_steps() -> None:
    check_weights(every_pair(), data_of_ten_steps())


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


def same_or_none(got: float | None, expected: float | None) -> bool:
    return got is expected if expected is None else got == pytest.approx(expected, rel=1e-6)


def check_epoch(got: EpochMetrics, expected: EpochMetrics) -> None:
    assert got.train_loss == pytest.approx(expected.train_loss, rel=1e-6)
    assert got.val_mse == pytest.approx(expected.val_mse, rel=1e-6)
    assert same_or_none(got.val_bce, expected.val_bce)
    assert got.spectrum is not None and expected.spectrum is not None
    bands, others = unpack_spectrum(got.spectrum), unpack_spectrum(expected.spectrum)
    assert bands == pytest.approx(others, rel=1e-5, abs=1e-6 * sum(others))


@pytest.mark.parametrize("output", Output)
@pytest.mark.parametrize("loss", Loss)
def test_what_is_reported_of_an_epoch_is_what_the_reference_reports(
    loss: Loss, output: Output
) -> None:
    output = Output.SIGMOID if loss is Loss.BCE else output
    config, data = (
        replace(FUSED, loss=loss, output_activation=output, huber_delta=0.1),
        small_data(),
    )
    ours, reference = (start(config, data, trainer, seeds=(5, 6)) for trainer in BOTH)
    for _ in range(config.epochs):
        for got, expected in zip(ours.train_epoch(), reference.train_epoch(), strict=True):
            check_epoch(got, expected)


def plain_numbers(done: TrialDone) -> list[float]:
    """Every number of the test results, flat."""
    numbers: list[float] = []
    for result in done.results:
        assert result.diagnostics is not None
        numbers += [result.test_mse, result.psnr, *result.per_class_mse, result.test_bce or 0.0]
        numbers += vars(result.diagnostics).values()
        assert result.pixel_errors is not None
        numbers += vars(result.pixel_errors).values()
    return numbers


@pytest.mark.parametrize("output", Output)
def test_a_result_is_what_the_reference_gives(output: Output) -> None:
    config = replace(FUSED, loss=Loss.MSE, output_activation=output)
    data = make_data(with_black_and_white(make_images(50, 24, height=4, width=5)))
    got, expected = (train(config, data, trainer, seeds=(1, 2)).result() for trainer in BOTH)
    assert plain_numbers(got) == pytest.approx(plain_numbers(expected), rel=1e-5)
    assert got.reconstructions_png == expected.reconstructions_png
    assert got.errors_png == expected.errors_png
    assert got.weights is not None and len(got.weights) == len(expected.weights or b"")
    one, other = analyse_all(data, got.weights, expected.weights)
    assert one.probe == other.probe and one.probe is not None


def test_whole_trials_on_real_images_end_with_the_errors_of_the_reference() -> None:
    setup = make_setup(train_limit=2_000)
    data = DeviceData.load(datasets.load("fashion-mnist-mini"), setup, CPU)
    config = TrialConfig(hidden_width=24, epochs=5, batch_size=64)
    wide = replace(config, hidden_width=100, activation=Activation.GELU, loss=Loss.MSE)
    for one in (config, wide, replace(config, optimizer=Optimizer.RMSPROP)):
        got, expected = (train(one, data, trainer)._metrics for trainer in BOTH)
        for ours, reference in zip(got, expected, strict=True):
            assert ours[0].val_mse == pytest.approx(reference[0].val_mse, rel=1e-4)


@pytest.mark.parametrize(
    "config",
    [
        replace(FUSED, learning_rate=1e30, loss=Loss.MSE, output_activation=Output.LINEAR),
        replace(FUSED, learning_rate=1e30),
        replace(FUSED, learning_rate=3e38, weight_decay=3e38, batch_size=1000),
    ],
    ids=["mse", "bce", "a weight"],
)
def test_a_trial_that_diverges_does_so_where_it_does_in_the_reference(config: TrialConfig) -> None:
    config = replace(config, optimizer=Optimizer.SGD, epochs=3)
    ended = []
    for trainer in BOTH:
        with pytest.raises(Diverged) as raised:
            train(config, small_data(), trainer)
        ended.append((raised.value.epoch, raised.value.reason.partition(" became ")[0]))
    assert ended[0] == ended[1]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_result_is_a_function_of_the_seed_for_a_number_of_threads(n_threads: int) -> None:
    # 200 x 400 numbers are more than torch gives to one thread.
    data = make_data(make_images(500, 24, height=20, width=20))
    config = replace(FUSED, hidden_width=128, batch_size=200)
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        one, again = (train(config, data, Trainer.CPU).result() for _ in range(2))
    finally:
        torch.set_num_threads(before)
    assert one.weights == again.weights
    assert one.results == again.results


@pytest.mark.parametrize("loss", Loss)
def test_a_step_allocates_nothing_of_the_size_of_a_batch(loss: Loss) -> None:
    data = make_data(make_images(500, 24, height=20, width=20))
    config = replace(FUSED, hidden_width=32, loss=loss, batch_size=100, activation=Activation.GELU)
    step, rows = ManualStep(config, 1, data.train), torch.arange(100)
    step(rows, 0.1)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step(rows, 0.1)
    largest = max(event.self_cpu_memory_usage for event in profiled.events() or ())
    assert largest < 100 * config.hidden_width * 4
