"""Trials that share a population: what they must not notice of each other, and who gets in."""

from dataclasses import replace

import pytest
import torch
import triton
from hypothesis import given
from hypothesis import strategies as st

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer, Output
from sweep.errors import DeviceError
from sweep.messages import EpochDone, EpochMetrics, TrialDiverged, TrialSpec
from sweep.trainer import DeviceData, Diverged, load_model
from sweep.trainer.fused import FusedTrainer, KernelConfig
from sweep.trainer.fused.kernel_config import PRECISIONS
from sweep.trainer.fused.kernels import KERNELS
from tests.support.factories import make_images
from tests.support.fused_factories import (
    DEVICE,
    FUSED,
    data_of_ten_steps,
    every_choice,
    fused_spec,
    make_fused,
    numbers,
    reference_weights,
    same_bits,
    small_data,
    train_all,
    without_interpreter,
)
from tests.support.trainer_factories import CPU, make_data, start

#: The loss overflows within an epoch.
EXPLODING = replace(
    FUSED,
    optimizer=Optimizer.SGD,
    learning_rate=1e30,
    loss=Loss.MSE,
    output_activation=Output.LINEAR,
)

#: What overflows is meant to: numpy, which the interpreter computes with, warns of it.
overflows = pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")

WIDE = replace(FUSED, hidden_width=20, activation=Activation.GELU, optimizer=Optimizer.RMSPROP)


def is_done(event: EpochDone | TrialDiverged) -> list[EpochMetrics]:
    """An epoch's numbers without its time."""
    assert isinstance(event, EpochDone)
    return [numbers(one) for one in event.metrics]


def alone(config: TrialConfig, number: int) -> FusedTrainer:
    """A population of one trial, trained to its end."""
    fused = make_fused()
    assert fused.admit(fused_spec(number, config))
    train_all(fused, config.epochs)
    return fused


def test_a_trial_is_the_same_among_others_as_alone() -> None:
    # Neighbours come and go, the trial lies in a late slot and in tiles that are not in a row.
    fused = make_fused(rows=112, slots=6)
    for number, config in ((1, FUSED), (2, WIDE), (3, FUSED), (4, WIDE)):
        assert fused.admit(fused_spec(number, config))
    fused.train_epoch()
    fused.release(1), fused.release(3)
    assert fused.admit(fused_spec(7, replace(WIDE, hidden_width=33)))
    first = fused.train_epoch()
    fused.release(4)
    assert fused.admit(fused_spec(8, replace(FUSED, loss=Loss.L1, activation=Activation.TANH)))
    second = fused.train_epoch()

    single = make_fused(rows=48, slots=1)
    single.admit(fused_spec(7, replace(WIDE, hidden_width=33)))
    expected = train_all(single, 2)
    events = [event for event in first + second if event.number == 7]
    assert [is_done(event) for event in events] == [is_done(event) for event in expected]
    assert same_bits(fused, single, 7)
    assert fused.result(7).results == single.result(7).results
    assert fused.result(7).reconstructions_png == single.result(7).reconstructions_png


def test_seeds_train_as_each_would_alone() -> None:
    fused = make_fused()
    assert fused.admit(fused_spec(1, seeds=(5, 6)))
    train_all(fused, 2)
    results = fused.result(1).results
    assert results == tuple(alone(FUSED, seed).result(seed).results[0] for seed in (5, 6))


@overflows
def test_a_diverged_slot_leaves_its_neighbours_alone() -> None:
    fused = make_fused()
    for spec in (fused_spec(1), fused_spec(2, EXPLODING), fused_spec(3, WIDE)):
        assert fused.admit(spec)
    events = fused.train_epoch()
    assert [type(event) for event in events] == [EpochDone, TrialDiverged, EpochDone]
    train_all(fused, 1)
    assert same_bits(fused, alone(FUSED, 1), 1)
    assert same_bits(fused, alone(WIDE, 3), 3)


@overflows
def test_the_place_of_a_diverged_trial_is_as_good_as_new() -> None:
    fused = make_fused(rows=16, slots=1)
    # Adam's moments become NaN too, and the next trial reads them.
    fused.admit(fused_spec(1, replace(EXPLODING, hidden_width=16, optimizer=Optimizer.ADAM)))
    assert isinstance(fused.train_epoch()[0], TrialDiverged)
    assert fused.admit(fused_spec(2))
    train_all(fused, 2)
    assert same_bits(fused, alone(FUSED, 2), 2)


@overflows
@pytest.mark.parametrize(
    ("config", "seeds"),
    [
        # Two steps: of the second only squares are infinite. What a product with infinite terms
        # gives, inf or NaN, depends on the CPU.
        (replace(EXPLODING, learning_rate=1e15, batch_size=20), (8,)),
        (replace(EXPLODING, learning_rate=1e15, batch_size=20), (8, 9)),
        # One step an epoch: the loss is taken before it, so only the weights can tell.
        (
            replace(
                FUSED,
                optimizer=Optimizer.SGD,
                learning_rate=3e38,
                batch_size=100,
                weight_decay=3e38,
            ),
            (8,),
        ),
    ],
)
def test_divergence_is_told_as_the_reference_tells_it(
    config: TrialConfig, seeds: tuple[int, ...]
) -> None:
    data = small_data()
    with pytest.raises(Diverged) as raised:
        start(config, data, seeds=seeds).train_epoch()
    fused = make_fused(data, batch_size=config.batch_size)
    fused.admit(fused_spec(4, config, attempt=3, seeds=seeds))
    assert fused.train_epoch() == [
        TrialDiverged(number=4, attempt=3, epoch=1, reason=raised.value.reason)
    ]
    assert fused.numbers == ()


def test_rows_and_slots_are_used_again() -> None:
    fused = make_fused(rows=48, slots=2)
    assert fused.admit(fused_spec(1)) and fused.admit(fused_spec(2, WIDE))
    assert not fused.admit(fused_spec(3))
    fused.release(1)
    assert not fused.admit(fused_spec(3, WIDE))
    assert fused.admit(fused_spec(4, seeds=(4,)))
    fused.release(2), fused.release(4)
    assert fused.admit(fused_spec(5, replace(FUSED, hidden_width=48)))  # every row
    fused.release(5)
    assert fused.admit(fused_spec(6, seeds=(1, 2)))  # every slot


def test_a_trial_takes_a_slot_for_each_seed_or_none() -> None:
    fused = make_fused(rows=48, slots=2)
    assert fused.admit(fused_spec(1))
    assert not fused.admit(fused_spec(2, seeds=(1, 2)))
    assert fused.admit(fused_spec(3, WIDE))  # the other slot and rows


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (replace(FUSED, batch_size=17), "has batch size 17; this population trains with 16"),
        (replace(FUSED, hidden_width=65), "needs 1 x 65 hidden units; .* 4 slots and 64 units"),
        (
            replace(FUSED, output_activation=Output.LINEAR),
            "loss bce needs output_activation sigmoid",
        ),
    ],
)
def test_a_trial_that_can_never_get_in_is_refused(config: TrialConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_fused().admit(fused_spec(1, config))


def test_short_trials_end_while_long_ones_go_on() -> None:
    fused = make_fused()
    fused.admit(fused_spec(1, replace(FUSED, epochs=1)))
    fused.admit(fused_spec(2))
    assert [event.number for event in fused.train_epoch()] == [1, 2]
    finished = fused.weights(1)[0]
    assert [event.number for event in fused.train_epoch()] == [2]
    assert all(torch.equal(a, b) for a, b in zip(finished, fused.weights(1)[0], strict=True))
    assert fused.train_epoch() == []
    assert fused.result(1).number == 1


def test_a_result_before_the_last_epoch_is_refused() -> None:
    fused = make_fused()
    fused.admit(fused_spec(1))
    fused.train_epoch()
    with pytest.raises(ValueError, match="finished 1 of 2 epochs"):
        fused.result(1)


def test_an_epoch_may_be_launched_before_the_last_one_is_collected() -> None:
    fused = make_fused()
    fused.admit(fused_spec(1)), fused.admit(fused_spec(2, WIDE))
    first = fused.launch_epoch()
    second = fused.launch_epoch()
    fused.release(2)
    events = fused.collect(first) + fused.collect(second)
    assert [(event.number, event.epoch) for event in events] == [(1, 1), (1, 2)]
    other = alone(FUSED, 1)
    assert same_bits(fused, other, 1)
    assert fused.result(1).results == other.result(1).results


def test_seconds_are_shared_out_among_the_slots() -> None:
    fused = make_fused()
    fused.admit(fused_spec(1)), fused.admit(fused_spec(2, WIDE))
    narrow, wide = (event.metrics[0].seconds for event in fused.train_epoch())
    assert 0 < narrow < wide


def test_weights_come_only_below_the_threshold() -> None:
    fused = make_fused()
    fused.admit(fused_spec(1, keep_below=0.0))
    fused.admit(fused_spec(2, keep_below=1.0))
    train_all(fused, 2)
    assert fused.result(1).weights is None
    content = fused.result(2).weights
    assert content is not None and load_model(content).seed == 2


def test_diagnostics_are_what_their_names_say() -> None:
    data = small_data()
    fused = make_fused(data)
    configs = [
        replace(FUSED, hidden_width=20, learning_rate=0.1),
        replace(FUSED, activation=Activation.TANH, learning_rate=0.5),
    ]
    for number, config in enumerate(configs):
        fused.admit(fused_spec(number, config))
    fused.train_epoch()
    pixels = data.validation.cpu() / 255.0
    for number, name in enumerate(("dead_share", "saturated_share")):
        weights, seen = fused.weights(number)[0], fused.diagnostics(number)[0]
        z = pixels @ weights.encoder_weight.T + weights.encoder_bias
        shares = {
            "dead_share": float((z <= 0).all(0).float().mean()) if number == 0 else 0.0,
            "saturated_share": float((z.abs() > 2.65).float().mean()) if number == 1 else 0.0,
        }
        assert shares[name] > 0  # otherwise this compares nothing
        assert {key: getattr(seen, key) for key in shares} == pytest.approx(shares)
        assert seen.encoder_norm == pytest.approx(float(weights.encoder_weight.norm()), rel=1e-6)
        assert seen.decoder_norm == pytest.approx(float(weights.decoder_weight.norm()), rel=1e-6)


def test_losses_in_tf32_are_close_to_float32_over_20_steps() -> None:
    data = data_of_ten_steps()
    exact, fast = (make_fused(data, slots=8, rows=128, precision=p) for p in ("ieee", "tf32"))
    for number, activation in enumerate(Activation):
        for fused in (exact, fast):
            fused.admit(fused_spec(number, replace(FUSED, activation=activation)))
    for one, other in zip(train_all(exact, 2), train_all(fast, 2), strict=True):
        (a,), (b,) = is_done(one), is_done(other)
        assert a != b, "products were cut to tf32"
        assert (a.train_loss, a.val_mse) == pytest.approx((b.train_loss, b.val_mse), rel=1e-3)


def test_without_a_gpu_or_the_interpreter_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(triton.knobs.runtime, "interpret", False)
    with pytest.raises(DeviceError, match="needs a CUDA device, given 'cpu'"):
        FusedTrainer(make_data(), CPU, batch_size=16, rows=16, slots=1)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown precision 'fp8'. Known: tf32, ieee"):
        make_fused(precision="fp8")


# At full size, on a GPU


FULL: dict[str, object] = {"batch_size": 128, "config": None}


def full_data(n: int = 3_000) -> DeviceData:
    return make_data(make_images(n, 500, height=28, width=28), DEVICE)


def full_choices(n: int) -> list[TrialConfig]:
    """Of all kinds, and of widths from 8 to 1,000."""
    configs = every_choice()
    widths = (8 + 13 * i % 993 for i in range(n))
    return [
        replace(config, batch_size=128, hidden_width=width)
        for config, width in zip(configs[:: len(configs) // n], widths, strict=False)
    ]


@pytest.mark.gpu
def test_at_full_size_a_trial_is_the_same_among_64_others_as_alone() -> None:
    data = full_data()
    config = replace(FUSED, batch_size=128, hidden_width=300)
    crowded = make_fused(data, rows=64 * 1024, slots=65, precision="tf32", **FULL)
    single = make_fused(data, rows=320, slots=1, precision="tf32", **FULL)
    for number, other in enumerate(full_choices(64)):
        assert crowded.admit(fused_spec(number, other))
    assert crowded.admit(fused_spec(99, config)) and single.admit(fused_spec(99, config))
    train_all(crowded, 2), train_all(single, 2)
    assert same_bits(crowded, single, 99)
    assert crowded.result(99).results == single.result(99).results


@pytest.mark.gpu
def test_at_full_size_a_diverged_slot_leaves_64_others_alone() -> None:
    data = full_data()
    tame = make_fused(data, rows=64 * 1024, slots=65, precision="tf32", **FULL)
    beside = make_fused(data, rows=65 * 1024, slots=66, precision="tf32", **FULL)
    exploding = replace(EXPLODING, batch_size=128, hidden_width=500)
    assert beside.admit(fused_spec(99, exploding))
    others = list(enumerate(full_choices(64)))
    for number, other in others:
        assert tame.admit(fused_spec(number, other)) and beside.admit(fused_spec(number, other))
    assert isinstance(beside.train_epoch()[0], TrialDiverged)
    train_all(tame, 2), train_all(beside, 1)
    assert all(same_bits(tame, beside, number) for number, _ in others)


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", Optimizer)
def test_at_full_size_every_choice_trains_as_the_reference_does_for_20_steps(
    optimizer: Optimizer,
) -> None:
    data = full_data(3_200)  # 2,560 images to train on
    configs = [
        replace(config, batch_size=128, hidden_width=8 + 17 * i, epochs=1)
        for i, config in enumerate(every_choice(optimizer))
    ]
    fused = make_fused(data, rows=64 * 1024, slots=len(configs), **FULL)
    specs = [fused_spec(number, config) for number, config in enumerate(configs)]
    assert all(fused.admit(spec) for spec in specs)
    train_all(fused, 1)
    differences = {spec.number: difference_of_weights(fused, spec, data) for spec in specs}
    # What a few next to the limit mean, and many far off: docs/performance.md, "Known risks".
    wrong = [
        f"{differences[spec.number]:.1e} {spec.config}"
        for spec in specs
        # l1's gradient is a sign: rounding turns it for a pixel that is all but right.
        if not differences[spec.number] < (1e-3 if spec.config.loss is Loss.L1 else 1e-5)
    ]
    assert not wrong, "\n".join(wrong)


def difference_of_weights(fused: FusedTrainer, spec: TrialSpec, data: DeviceData) -> float:
    """The largest relative difference of a parameter's norm from the reference trainer's."""
    pairs = zip(fused.weights(spec.number)[0], reference_weights(spec, data), strict=True)
    return max(float((a - b).norm() / b.norm()) for a, b in pairs)


# KernelConfig


@pytest.mark.parametrize("config", PRECISIONS.values(), ids=PRECISIONS)
@given(batch_size=st.integers(1, 65_536))
def test_blocks_of_examples_fit_every_batch(config: KernelConfig, batch_size: int) -> None:
    sizes = [
        config.examples_for(batch_size),
        config.decode_tile(batch_size),
        config.single_tile_examples_for(batch_size),
        config.update_tile(batch_size),
    ]
    # What Triton multiplies: powers of 2, and 16 at least.
    assert all(size >= 16 and size & (size - 1) == 0 for size in sizes)
    assert max(sizes) <= 128
    if config.is_single_block(batch_size):
        assert batch_size <= config.update_tile(batch_size)


# Compilation


#: What multiplies matrices, and so knows precisions.
WITH_PRODUCTS = {
    "encode",
    "decode",
    "decode_single_tile",
    "hidden_gradient",
    "update_encoder",
    "update_decoder",
    "train_chain",
    "measure",
    "project_errors",
}


#: Batches of one block of examples, and of two; chains are an option.
BATCHES = {
    16: {"hidden_gradient", "train_chain"},
    32: {"train_chain"},
}

Counts = dict[int, dict[str, int]]


@pytest.fixture(scope="module")
def compiled() -> tuple[Counts, Counts]:
    """How often each kernel is compiled ahead, and in a study, by the size of a batch."""
    counts = without_interpreter("tests.support.compile_fused", "count", *map(str, BATCHES))
    ahead, in_study = (dict(zip(BATCHES, by_size, strict=True)) for by_size in counts)
    return ahead, in_study  # type: ignore[return-value]


@pytest.mark.parametrize("batch_size", BATCHES)
def test_every_kernel_is_compiled_for_an_h100_ahead_of_its_first_launch(
    compiled: tuple[Counts, Counts], batch_size: int
) -> None:
    once = {kernel.__name__ for kernel in KERNELS} - WITH_PRODUCTS
    twice = WITH_PRODUCTS - BATCHES[batch_size]
    assert compiled[0][batch_size] == dict.fromkeys(once, 1) | dict.fromkeys(twice, len(PRECISIONS))


@pytest.mark.parametrize("batch_size", BATCHES)
def test_a_stream_of_different_trials_compiles_every_kernel_once(
    compiled: tuple[Counts, Counts], batch_size: int
) -> None:
    used = {kernel.__name__ for kernel in KERNELS} - BATCHES[batch_size]
    assert compiled[1][batch_size] == dict.fromkeys(used, 1)
