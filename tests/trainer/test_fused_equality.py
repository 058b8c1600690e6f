"""The fused trainer against the reference trainer: weights and every number that is reported."""

import math
from dataclasses import replace
from itertools import combinations, cycle, product

import pytest

from sweep.config import TrialConfig
from sweep.datasets import Images
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule, WeightInit
from sweep.messages import EpochDone, NetworkAnalysis, unpack_spectrum
from sweep.trainer import DeviceData
from sweep.trainer.fused import KernelConfig, table_rows
from tests.support.factories import make_images, make_unlabelled, with_black_and_white
from tests.support.fused_factories import (
    BLOCKS,
    DEVICE,
    FUSED,
    LARGE_BLOCKS,
    MORE_VARIANTS,
    OUTCOMES,
    VARIANTS,
    data_of_ten_steps,
    every_choice,
    every_pair,
    fused_spec,
    largest_difference,
    make_fused,
    reference_weights,
    small_data,
    train_all,
)
from tests.support.trainer_factories import analyse_all, make_data, start

#: In colour.
UNLABELLED = make_unlabelled(n_train=50, n_test=24)


def test_every_choice_is_there() -> None:
    chosen = {(c.activation, c.loss, c.output_activation, c.optimizer) for c in every_choice()}
    everything = set(product(Activation, Loss, Output, Optimizer))
    assert {one[1:3] for one in everything - chosen} == {(Loss.BCE, Output.LINEAR)}
    assert len(chosen) == len(Activation) * 7 * len(Optimizer)


def test_every_two_choices_are_there() -> None:
    sides = [
        [c.activation for c in every_pair()],
        [(c.loss, c.output_activation) for c in every_pair()],
        [c.optimizer for c in every_pair()],
        [c.lr_schedule for c in every_pair()],
        [c.weight_init for c in every_pair()],
    ]
    kinds = [Activation, OUTCOMES, Optimizer, Schedule, WeightInit]
    for i, j in combinations(range(len(kinds)), 2):
        assert set(zip(sides[i], sides[j], strict=True)) == set(product(kinds[i], kinds[j]))


def check_weights(
    configs: list[TrialConfig], data: DeviceData | None = None, **options: object
) -> None:
    """All of these trials at once train as the reference trainer trains each."""
    data = data or small_data()
    specs = [fused_spec(number, config) for number, config in enumerate(configs)]
    rows = sum(16 * math.ceil(config.hidden_width / 16) for config in configs)
    options = {"config": BLOCKS} | options
    fused = make_fused(data, rows=rows, slots=len(specs), **options)
    assert all(fused.admit(spec) for spec in specs)
    train_all(fused, max(config.epochs for config in configs))
    differences = {}
    for spec in specs:
        got, expected = fused.weights(spec.number)[0], reference_weights(spec, data)
        for name, a, b in zip(got._fields, got, expected, strict=True):
            differences[spec.number, name] = largest_difference(a, b)
    worst = max(differences, key=differences.__getitem__)
    assert differences[worst] < 1e-5, (worst, configs[worst[0]], differences[worst])


def test_every_pair_of_choices_trains_as_the_reference_does_for_20_steps() -> None:
    """The whole product does so at full size, on a GPU."""
    check_weights(every_pair(), data_of_ten_steps(), config=LARGE_BLOCKS)


def test_every_other_setting_of_the_optimizers_trains_as_the_reference_does_for_20_steps() -> None:
    turns = zip([VARIANTS[2], *MORE_VARIANTS], cycle(Activation), strict=False)
    configs = [replace(FUSED, activation=a, **variant) for variant, a in turns]  # type: ignore[arg-type]
    check_weights(configs, data_of_ten_steps(), config=LARGE_BLOCKS)


def test_wide_and_narrow_trials_of_all_lengths_train_as_the_reference_does() -> None:
    shapes = [(1, 1), (16, 2), (17, 3), (40, 2), (33, 1)]
    inits = list(WeightInit)
    check_weights(
        [
            replace(FUSED, hidden_width=width, epochs=epochs, weight_init=init)
            for (width, epochs), init in zip(shapes, inits, strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("height", "outputs", "single_tile"),
    [(8, 32, True), (4, 32, True), (4, 16, False)],
    ids=["two parts", "one part", "parts that do not fit"],
)
def test_slots_of_one_tile_have_their_own_kernel_where_their_parts_fit(
    height: int, outputs: int, single_tile: bool
) -> None:
    data = make_data(make_images(50, 24, height=height, width=5), DEVICE)
    config = replace(LARGE_BLOCKS, outputs=outputs)
    assert make_fused(data, config=config)._population.shape.single_tile == single_tile
    widths = [16, 17, 5]
    check_weights([replace(FUSED, hidden_width=w) for w in widths], data, config=config)


@pytest.mark.parametrize("batch_size", [7, 20, 40, 100])
@pytest.mark.parametrize(
    "config",
    [BLOCKS, LARGE_BLOCKS, replace(LARGE_BLOCKS, single_block_examples=0)],
    ids=["no kernel for one tile", "a kernel for one tile", "as with exact products"],
)
def test_any_batch_size_trains_as_the_reference_does(batch_size: int, config: KernelConfig) -> None:
    """16 examples are a block, so larger batches are several."""
    choices = every_choice()[batch_size % 10 :: 53]
    configs = [replace(choice, batch_size=batch_size) for choice in choices]
    check_weights(configs, batch_size=batch_size, config=config)


def test_every_word_of_a_study_file_is_registered() -> None:
    assert set(table_rows.ACTIVATIONS) == set(Activation)
    assert set(table_rows.OUTPUTS) == set(Output)
    assert set(table_rows.LOSSES) == set(Loss)
    assert set(table_rows.OPTIMIZERS) == set(Optimizer) == {v["optimizer"] for v in VARIANTS}
    assert set(table_rows.SCHEDULES) == set(Schedule)


def same_or_none(got: float | None, expected: float | None) -> bool:
    return got is expected if expected is None else got == pytest.approx(expected, rel=1e-6)


def test_what_is_reported_of_an_epoch_is_what_the_reference_reports() -> None:
    data = small_data()
    linear = replace(
        FUSED, loss=Loss.HUBER, huber_delta=0.1, output_activation=Output.LINEAR, hidden_width=20
    )
    specs = [fused_spec(1), fused_spec(2, linear, seeds=(5, 6))]
    fused = make_fused(data, rows=80, slots=3, config=BLOCKS)
    references = [start(spec.config, data, seeds=spec.seeds) for spec in specs]
    for spec in specs:
        assert fused.admit(spec)
    for epoch in (1, 2):
        for event, reference in zip(fused.train_epoch(), references, strict=True):
            assert isinstance(event, EpochDone) and event.epoch == epoch
            for got, expected in zip(event.metrics, reference.train_epoch(), strict=True):
                assert got.train_loss == pytest.approx(expected.train_loss, rel=1e-6)
                assert got.val_mse == pytest.approx(expected.val_mse, rel=1e-6)
                assert same_or_none(got.val_bce, expected.val_bce)
                assert got.spectrum is not None and expected.spectrum is not None
                bands, others = unpack_spectrum(got.spectrum), unpack_spectrum(expected.spectrum)
                assert bands == pytest.approx(others, rel=1e-5, abs=1e-6 * sum(others))


def assert_same_analysis(got: NetworkAnalysis, expected: NetworkAnalysis) -> None:
    one, other = got.decomposition, expected.decomposition
    assert one is not None and other is not None
    assert one.code_rank == pytest.approx(other.code_rank, rel=1e-5)
    assert one.encoder_rank == pytest.approx(other.encoder_rank, rel=1e-5)
    assert one.decoder_rank == pytest.approx(other.decoder_rank, rel=1e-5)
    if other.end_to_end is None:
        assert one.end_to_end is None
    else:
        assert one.end_to_end == pytest.approx(other.end_to_end, rel=1e-4, abs=1e-6)
    assert got.probe == expected.probe


@pytest.mark.parametrize("output", Output)
@pytest.mark.parametrize(
    "images", [with_black_and_white(make_images(50, 24, height=4, width=5)), UNLABELLED]
)
def test_a_result_is_what_the_reference_gives(output: Output, images: Images) -> None:
    data = make_data(images, DEVICE)
    spec = fused_spec(1, replace(FUSED, loss=Loss.MSE, output_activation=output), seeds=(1, 2))
    fused, reference = (
        make_fused(data, slots=2, config=BLOCKS),
        start(spec.config, data, number=1, seeds=spec.seeds),
    )
    assert fused.admit(spec)
    train_all(fused, 2)
    reference.train_epoch(), reference.train_epoch()
    got, expected = fused.result(1), reference.result()
    assert (got.number, got.attempt) == (expected.number, expected.attempt)
    for one, other in zip(got.results, expected.results, strict=True):
        assert one.test_mse == pytest.approx(other.test_mse, rel=1e-6)
        assert same_or_none(one.test_bce, other.test_bce)
        assert one.psnr == pytest.approx(other.psnr, rel=1e-6)
        assert one.per_class_mse == pytest.approx(other.per_class_mse, rel=1e-6)
        assert one.pixel_errors is not None and other.pixel_errors is not None
        shares = vars(other.pixel_errors).values()
        assert list(vars(one.pixel_errors).values()) == pytest.approx(list(shares), rel=1e-5)
        assert (one.exact_pixel_share, one.n_parameters) == (
            other.exact_pixel_share,
            other.n_parameters,
        )
    assert got.reconstructions_png == expected.reconstructions_png
    assert got.errors_png == expected.errors_png
    found, true = analyse_all(data, got.weights, expected.weights)
    assert_same_analysis(found, true)
    assert (found.probe is None) == (images.test_labels is None)
    assert got.weights is not None and len(got.weights) == len(expected.weights or b"")
