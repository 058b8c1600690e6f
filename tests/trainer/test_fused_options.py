"""Options of the kernel configuration: each gives the default's numbers, or nearly so."""

from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest
import torch
import triton
from hypothesis import given
from hypothesis import strategies as st
from triton import language as tl

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer, Schedule
from sweep.messages import EpochDone, EpochMetrics
from sweep.trainer.fused import FusedTrainer, KernelConfig
from sweep.trainer.fused.graphs import side_by_side
from sweep.trainer.fused.kernels.functions import intensity
from sweep.trainer.fused.layout import SlotPlace
from sweep.trainer.fused.schedule import SlotKinds, kinds_of, share_out
from tests.support.fused_factories import (
    BLOCKS,
    DEVICE,
    FUSED,
    LARGE_BLOCKS,
    VARIANTS,
    data_of_ten_steps,
    every_choice,
    fused_spec,
    largest_difference,
    make_fused,
    numbers,
    reference_weights,
    same_bits,
    train_all,
)

#: Slots of one tile, of several, and of both, by their widths.
WIDTHS = {"narrow": (9, 16, 5), "wide": (17, 40), "both": (40, 9, 16, 17)}


def configs_of(widths: tuple[int, ...]) -> list[TrialConfig]:
    """Trials of these widths that differ in all that the epilogue depends on."""
    return [
        replace(
            FUSED,
            hidden_width=width,
            activation=list(Activation)[i],
            loss=list(Loss)[i % 4],
            optimizer=list(Optimizer)[i],
        )
        for i, width in enumerate(widths)
    ]


def train(
    config: KernelConfig, widths: tuple[int, ...]
) -> tuple[FusedTrainer, list[list[EpochMetrics]]]:
    """Train trials of these widths for two epochs; their numbers without the time."""
    fused = make_fused(rows=128, slots=5, config=config)
    for number, one in enumerate(configs_of(widths)):
        assert fused.admit(fused_spec(number, one))
    events = train_all(fused, 2)
    assert all(isinstance(event, EpochDone) for event in events)
    return fused, [[numbers(one) for one in event.metrics] for event in events]  # type: ignore[union-attr]


@pytest.mark.parametrize("widths", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize(
    "options",
    [{"step_variants": True}, {"branches": 3}],
    ids=str,
)
def test_graph_variants_and_branches_give_the_same_bits(
    options: dict[str, Any], widths: tuple[int, ...]
) -> None:
    expected, metrics = train(LARGE_BLOCKS, widths)
    fused, found = train(replace(LARGE_BLOCKS, **options), widths)
    assert found == metrics
    assert all(same_bits(fused, expected, number) for number in range(len(widths)))


@pytest.mark.parametrize(("widths", "idle"), [("narrow", "decode"), ("wide", "decode_single_tile")])
def test_a_variant_leaves_the_idle_launch_out(
    widths: str, idle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused = make_fused(rows=128, slots=5, config=replace(LARGE_BLOCKS, step_variants=True))
    for number, config in enumerate(configs_of(WIDTHS[widths])):
        assert fused.admit(fused_spec(number, config))
    launched: list[str] = []
    monkeypatch.setattr(fused._population, "_launch", lambda name, _: launched.append(name))
    fused._prepare(tuple(fused._trials.values()))
    fused._train_steps(1)
    assert idle not in launched
    assert {"decode", "decode_single_tile"} - {idle} < set(launched)


def test_the_cheap_loss_changes_the_reported_loss_by_rounding_only() -> None:
    expected, metrics = train(LARGE_BLOCKS, WIDTHS["both"])
    fused, found = train(replace(LARGE_BLOCKS, cheap_loss=True), WIDTHS["both"])
    assert all(same_bits(fused, expected, number) for number in range(4))
    for (one,), (other,) in zip(found, metrics, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-6)
        assert (one.val_mse, one.val_bce) == (other.val_mse, other.val_bce)


@triton.jit
def _intensities(pixels, quotients):  # type: ignore[no-untyped-def]
    i = tl.arange(0, 256)
    tl.store(quotients + i, intensity(tl.load(pixels + i), CHEAP=True))


def test_a_byte_over_255_is_the_same_without_dividing() -> None:
    pixels = torch.arange(256, dtype=torch.uint8, device=DEVICE)
    quotients = torch.zeros(256, device=DEVICE)
    _intensities[(1,)](pixels, quotients)
    assert torch.equal(quotients, pixels.float() / 255.0)


# Chains of steps


def test_chains_train_as_the_reference_does_for_20_steps() -> None:
    """Slots of one tile in chains of four steps, which do not divide an epoch's ten."""
    data = data_of_ten_steps()
    turns = zip(Activation, cycle(Loss), cycle(VARIANTS), cycle(Schedule), strict=False)
    configs = [
        replace(FUSED, hidden_width=5 + i, activation=f, loss=loss, lr_schedule=s, **variant)  # type: ignore[arg-type]
        for i, (f, loss, variant, s) in enumerate(turns)
    ]
    chained = replace(LARGE_BLOCKS, chain_steps=4, cheap_loss=True)
    fused = make_fused(data, rows=16 * len(configs), slots=len(configs), config=chained)
    specs = [fused_spec(number, config) for number, config in enumerate(configs)]
    assert all(fused.admit(spec) for spec in specs)
    train_all(fused, 2)
    for spec in specs:
        pairs = zip(fused.weights(spec.number)[0], reference_weights(spec, data), strict=True)
        worst = max(largest_difference(got, expected) for got, expected in pairs)
        assert worst < 1e-5, (spec.config, worst)


def test_chains_report_what_single_steps_report() -> None:
    _, metrics = train(LARGE_BLOCKS, WIDTHS["both"])
    _, found = train(replace(LARGE_BLOCKS, chain_steps=2), WIDTHS["both"])
    for (one,), (other,) in zip(found, metrics, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-6)
        assert one.val_mse == pytest.approx(other.val_mse, rel=1e-6)


@pytest.mark.parametrize("widths", [(9,), (40, 9, 16)], ids=["alone", "among others"])
@pytest.mark.parametrize("chain_steps", [1, 16])
def test_a_chained_trial_has_the_same_bits_whatever_the_chains(
    widths: tuple[int, ...], chain_steps: int
) -> None:
    number = widths.index(9)
    alone = make_fused(config=replace(LARGE_BLOCKS, chain_steps=3))
    fused = make_fused(rows=128, config=replace(LARGE_BLOCKS, chain_steps=chain_steps))
    for i, width in enumerate(widths):
        config = replace(FUSED, hidden_width=width)
        assert fused.admit(fused_spec(i, config, seeds=(width,)))
    assert alone.admit(fused_spec(number, seeds=(9,)))
    train_all(fused, 2), train_all(alone, 2)
    assert same_bits(fused, alone, number)


def test_without_slots_of_several_tiles_chains_are_all_that_is_launched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fused = make_fused(config=replace(LARGE_BLOCKS, chain_steps=16))
    assert fused.admit(fused_spec(1))
    launched: list[str] = []
    monkeypatch.setattr(fused._population, "_launch", lambda name, _: launched.append(name))
    fused._prepare(tuple(fused._trials.values()))
    fused._train_steps(fused._population.steps_per_epoch)
    assert launched == ["encode", "encode", "train_chain"]


def test_batches_of_several_blocks_are_not_chained() -> None:
    config = replace(BLOCKS, chain_steps=4)
    assert make_fused(config=config, batch_size=16)._population.chained is not None
    assert make_fused(config=config, batch_size=40)._population.chained is None


# Groups of slots


@given(
    st.lists(st.integers(1, 90), min_size=0, max_size=30),
    st.integers(1, 4),
)
def test_places_are_shared_out_evenly_and_none_is_lost(widths: list[int], n_groups: int) -> None:
    places = [
        SlotPlace(slot=i, tiles=tuple(range(-(-width // 16))), hidden_width=width)
        for i, width in enumerate(widths)
    ]
    most = max(1, -(-len(places) // n_groups))
    groups = share_out(places, n_groups, most)
    assert sorted(place.slot for group in groups for place in group) == list(range(len(places)))
    assert all(len(group) <= most for group in groups)


def test_the_widest_places_go_to_different_groups() -> None:
    widths = (100, 90, 20, 10)
    places = [SlotPlace(slot=i, tiles=(0,) * w, hidden_width=w) for i, w in enumerate(widths)]
    assert [[p.hidden_width for p in group] for group in share_out(places, 2, 2)] == [
        [100, 10],
        [90, 20],
    ]


def test_kinds_of_slots_are_told_by_their_tiles() -> None:
    one, two = (SlotPlace(slot=0, tiles=(0,) * n, hidden_width=n) for n in (1, 2))
    assert kinds_of([one, one]) is SlotKinds.SINGLE_TILE
    assert kinds_of([two]) is SlotKinds.SEVERAL_TILES
    assert kinds_of([one, two]) is SlotKinds.BOTH
    assert kinds_of([]) is None


def test_without_a_gpu_one_branch_follows_the_other() -> None:
    done: list[str] = []
    branches = [lambda: done.append("first"), lambda: done.append("second")]
    side_by_side(branches, torch.device("cpu"))
    assert done == ["first", "second"]


@pytest.mark.gpu
@pytest.mark.parametrize(
    "options", [{"step_variants": True}, {"branches": 3}, {"cheap_loss": True}], ids=str
)
def test_at_full_size_options_give_the_same_bits(options: dict[str, Any]) -> None:
    from tests.support.factories import make_images
    from tests.support.trainer_factories import make_data

    data = make_data(make_images(3_000, 500, height=28, width=28), DEVICE)
    default, other = (
        make_fused(data, rows=32 * 1024, slots=40, batch_size=128, precision="tf32", config=config)
        for config in (KernelConfig(), KernelConfig(**options))
    )
    for number, config in enumerate(every_choice()[::8]):
        spec = fused_spec(number, replace(config, batch_size=128, hidden_width=8 + 23 * number))
        assert default.admit(spec) and other.admit(spec)
    train_all(default, 2), train_all(other, 2)
    # A quotient by 255 is approximate on a card, and a product by its parts is not.
    if "cheap_loss" not in options:
        assert all(same_bits(default, other, number) for number in default.numbers)
    for number in default.numbers:
        pairs = zip(default.weights(number)[0], other.weights(number)[0], strict=True)
        assert all(float((a - b).norm() / b.norm()) < 1e-3 for a, b in pairs)
