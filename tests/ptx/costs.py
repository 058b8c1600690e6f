"""What the kernels of one slot ask of an H100 in a step.

Notation: H hidden units, D inputs, B examples. Counts are of a kernel's first program, as it was
compiled; main memory's bytes are formulas: each array read or written once a kernel.
"""

from collections.abc import Collection
from dataclasses import replace
from math import ceil
from typing import Any, NamedTuple

import torch

from benchmarks.bounds import (
    CLOCKS,
    INSTRUCTIONS_A_CLOCK,
    L2_BYTES,
    MULTIPROCESSORS,
    Counted,
    memory_bytes,
)
from sweep.trainer.fused.kernel_config import PRECISIONS
from sweep.trainer.fused.memory import Shape
from sweep.trainer.fused.population import DeviceImages
from tests.ptx.counts import SECTOR_BYTES
from tests.ptx.emulator import Cost, Emulator
from tests.ptx.training import ONE_TILE, Twin, make_population

CONFIG = PRECISIONS["tf32"]

#: What a step launches, of a batch that updates take whole, and what is launched besides: when an
#: epoch begins, and to measure.
STEP = ("decode", "decode_single_tile", "update_decoder", "update_encoder")
OTHERS = ("encode", "measure")

#: Bytes of main memory in a microsecond.
MEMORY_BYTES = 3.0e6


class Times(NamedTuple):
    """Microseconds that a kernel would take if it did nothing else."""

    instructions: float
    shared: float
    l2: float
    memory: float


def slot_costs(
    hidden_width: int,
    *,
    n_inputs: int = 784,
    batch_size: int = 128,
    kernels: Collection[str] = STEP + OTHERS,
) -> dict[str, Cost]:
    """Of these kernels, for a population of one slot."""
    torch.manual_seed(0)
    emulator = Emulator(first_only=True)

    def launch(kernel: Any, *args: Any, **sizes: Any) -> None:
        if kernel.fn.__name__ in {"begin_step", *kernels}:
            emulator.launch(kernel, *args, **sizes)

    pixels = torch.randint(0, 256, (3 * batch_size, n_inputs), dtype=torch.uint8)
    population = make_population(
        launch, pixels, batch_size=batch_size, n_tiles=ceil(hidden_width / CONFIG.units), n_slots=1
    )
    twin = Twin.start(
        population, replace(ONE_TILE, hidden_width=hidden_width, batch_size=batch_size)
    )
    population.assign_training([twin.place])
    population.measuring.assign([twin.place], CONFIG.units)
    population.start_epoch()
    population.train_step()
    population.measure_step(DeviceImages(pixels, torch.zeros(len(pixels), dtype=torch.int32), 1))
    return emulator.costs


def times(cost: Cost, n_memory_bytes: int) -> Times:
    counts, clocks = cost.counts, MULTIPROCESSORS * CLOCKS
    return Times(
        instructions=cost.n_programs * counts.warp_instructions / INSTRUCTIONS_A_CLOCK / clocks,
        shared=cost.n_programs * counts.wavefronts / clocks,
        l2=cost.n_programs * counts.sectors * SECTOR_BYTES / L2_BYTES,
        memory=n_memory_bytes / MEMORY_BYTES,
    )


def table(hidden_width: int, n_inputs: int = 784, batch_size: int = 128) -> list[str]:
    """Lines of Markdown: counts of a program, microseconds of all of them."""
    costs = slot_costs(hidden_width, n_inputs=n_inputs, batch_size=batch_size)
    of_memory = memory_bytes(hidden_width, n_inputs, batch_size)
    lines, total = [_HEAD, "|---|" + "---:|" * _HEAD.count("|", 3)], 0.0
    for name in (*OTHERS, *STEP):
        cost, counts = costs[name], costs[name].counts
        parts = times(cost, of_memory.get(name, 0))
        total += max(parts) if name in STEP else 0.0
        lines.append(
            f"| {name} | {cost.n_programs} | {counts.warp_instructions:,} | {counts.wavefronts:,} "
            f"| {counts.conflict_free:,} | {counts.sectors * SECTOR_BYTES / 1e3:.1f} | "
            + " | ".join(f"{microseconds:.2f}" for microseconds in (*parts, max(parts)))
            + " |"
        )
    shape = Shape(n_train=1, n_inputs=n_inputs, batch_size=batch_size)
    floor = shape.step_bytes(hidden_width) / MEMORY_BYTES
    last = f"H = {hidden_width}: a step's largest add up to {total:.2f} us; floor {floor:.2f} us."
    return [*lines, "", last]


def count_costs(costs: dict[str, Cost]) -> dict[str, Counted]:
    """One program's counts, as ``benchmarks.bounds`` keeps them."""
    return {
        name: Counted(
            instructions=cost.counts.warp_instructions,
            wavefronts=cost.counts.wavefronts,
            l2_bytes=cost.counts.sectors * SECTOR_BYTES,
        )
        for name, cost in costs.items()
    }


_HEAD = (
    "| kernel | programs | warp instructions | wavefronts | without conflicts | L2, kB "
    "| instructions, us | shared, us | L2, us | memory, us | largest, us |"
)
