"""Each kernel alone against its twin in torch (``tests.support.kernel_twins``), on every array."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from sweep.trainer.fused.kernel_config import PRECISIONS, KernelConfig
from sweep.trainer.fused.kernels import KERNELS, tables
from sweep.trainer.fused.launches import Grid, run
from tests.support.fused_factories import BLOCKS, DEVICE, LARGE_BLOCKS
from tests.support.kernel_cases import Case, differences, make_case, written
from tests.support.kernel_twins import TWINS

#: What a kernel writes, in a batch that is a single block, and where it is several.
WRITES = {
    "begin_step": {"step_table", "schedule_table", "steps_done", "position"},
    "encode": {"z"},
    "decode": {
        "grad_logits",
        "losses",
        "decoder_bias",
        "decoder_bias_first",
        "decoder_bias_second",
    },
    "decode_single_tile": {
        *("grad_logits", "losses", "decoder", "decoder_first", "decoder_second"),
        *("decoder_bias", "decoder_bias_first", "decoder_bias_second"),
    },
    "hidden_gradient": {
        *("grad_hidden", "encoder_bias", "encoder_bias_first", "encoder_bias_second"),
    },
    "update_decoder": {"decoder", "decoder_first", "decoder_second"},
    "update_encoder": {"encoder", "encoder_first", "encoder_second"},
    "train_chain": {
        *("encoder", "encoder_first", "encoder_second"),
        *("encoder_bias", "encoder_bias_first", "encoder_bias_second"),
        *("decoder", "decoder_first", "decoder_second"),
        *("decoder_bias", "decoder_bias_first", "decoder_bias_second"),
        *("z", "losses", "schedule_table", "steps_done", "position"),
    },
    "measure": {"sums", "class_squares", "reconstructions"},
    "watch_units": {"active", "saturated"},
    "summarise_tiles": {"tile_sums"},
    "summarise_slots": {"report"},
    "project_errors": {"direction_squares"},
    "split_errors": {"value_squares"},
}
#: And besides, in a batch that is a single block.
WRITES_IN_A_SINGLE_BLOCK = {
    "update_decoder": WRITES["hidden_gradient"],
    "update_encoder": {"z"},
}

#: A batch that is a single block for both updates, and one that is two.
CONFIGS = {
    "single block": replace(LARGE_BLOCKS, single_block_examples=32),
    "two blocks": LARGE_BLOCKS,
    "no kernel for one tile": BLOCKS,
}


def case_of(kernel: str, config: KernelConfig, *, last: bool = False) -> Case:
    if kernel == "train_chain":
        config = replace(config, chain_steps=2, single_block_examples=32)
    return make_case(kernel, DEVICE, config=config, batch_size=24, n_inputs=40, last=last)


def test_every_kernel_has_a_twin() -> None:
    assert [*TWINS] == [*WRITES]
    assert {*TWINS} == {kernel.__name__ for kernel in KERNELS}


@pytest.mark.parametrize("last", [False, True], ids=["whole batch", "smaller last batch"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("kernel", TWINS)
def test_a_kernel_writes_what_its_twin_writes(
    kernel: str, config: KernelConfig, last: bool
) -> None:
    case = case_of(kernel, config, last=last)
    # Relative to an array's largest number; for what neither writes, nothing at all.
    assert {name: off for name, off in differences(case).items() if not off < 2e-6} == {}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("kernel", TWINS)
def test_the_twins_write_every_array_that_their_kernels_are_for(
    kernel: str, config: KernelConfig
) -> None:
    # Otherwise the comparison above says little.
    case = case_of(kernel, config)
    if kernel == "decode_single_tile" and not case.shape.single_tile:
        assert written(case) == set()
        return
    wanted = set(WRITES[kernel])
    if case.shape.single_block:
        wanted |= WRITES_IN_A_SINGLE_BLOCK.get(kernel, set())
    assert written(case) == wanted


@pytest.mark.parametrize("kernel", ["summarise_tiles", "summarise_slots"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_counted_as_the_twin_counts_it(kernel: str, value: float) -> None:
    case = case_of(kernel, LARGE_BLOCKS)
    arrays = case.arrays
    slots = [slot for slot in arrays["slot_list"].tolist() if slot >= 0]
    tile = arrays["tile_list"][arrays["tile_start"][slots[0]]]
    row = int(tile) * case.shape.config.units
    for name, at in {"encoder": row, "decoder": row + 1, "decoder_bias": slots[1]}.items():
        arrays[name][at, 3] = value
    arrays["encoder_bias"][row + 2] = value
    arrays["losses"][1, slots[2], 0] = value
    assert {name: off for name, off in differences(case).items() if not off < 2e-6} == {}
    if kernel == "summarise_slots":
        after = case.copies()
        TWINS[kernel](after, case.shape)
        counts = after["report"][:, int(tables.DECODER_BIAS_NOT_FINITE.value)]
        assert counts[slots].tolist().count(1.0) == 1


@pytest.mark.parametrize(
    ("kernel", "one", "other"),
    [
        ("update_encoder", "encoder", "encoder_first"),
        ("update_decoder", "encoder_bias", "encoder_bias_first"),
        ("decode", "decoder_bias", "decoder_bias_first"),
        ("summarise_tiles", "active", "saturated"),
    ],
)
def test_arrays_that_are_swapped_are_noticed(kernel: str, one: str, other: str) -> None:
    case = case_of(kernel, CONFIGS["single block"])

    def swap(kernel: Any, grid: Grid, *arguments: object, **sizes: object) -> object:
        names = [name for name in kernel.arg_names if name not in sizes]
        named = dict(zip(names, arguments, strict=True))
        named[one], named[other] = named[other], named[one]
        return run(kernel, grid, *named.values(), **sizes)

    assert max(differences(case, swap).values()) > 1e-2


@pytest.mark.gpu
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch_size", [128, 200])
@pytest.mark.parametrize("kernel", [name for name in TWINS if name != "train_chain"])
def test_at_full_size_a_kernel_writes_what_its_twin_writes(
    kernel: str, batch_size: int, precision: str
) -> None:
    case = make_case(
        kernel,
        DEVICE,
        config=PRECISIONS[precision],
        batch_size=batch_size,
        n_inputs=784,
        precision=precision,
        last=True,
    )
    limit = {"ieee": 1e-5, "tf32": 5e-3}[precision]
    assert {name: off for name, off in differences(case).items() if not off < limit} == {}
    torch.cuda.empty_cache()


@pytest.mark.gpu
def test_at_full_size_a_chain_of_steps_writes_what_its_twin_writes() -> None:
    config = replace(PRECISIONS["tf32"], chain_steps=2)
    shape = {"batch_size": 128, "n_inputs": 784, "precision": "tf32"}
    case = make_case("train_chain", DEVICE, config=config, last=True, **shape)  # type: ignore[arg-type]
    assert {name: off for name, off in differences(case).items() if not off < 2e-2} == {}
