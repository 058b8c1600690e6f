"""Compute lower bounds of kernel times on an H100 from counts of bytes and instructions.

Four parts of the card work at the same time: main memory, the L2 cache, shared memory, and the
issue of instructions. Each part takes a minimum time for its share of a launch; the longest of the
four is the bound. Memory's bytes are formulas, with each array read or written once. The rest is
counted in the compiled kernels, run on the CPU instruction by instruction: ``python -m tests.ptx
counted`` writes ``counted.json``, for one program of each kernel, by the number of tiles in its
slot, at D = 784 and B = 128.

The counts are of PTX. The card runs SASS, which has 1.4 to 1.6 times as many instructions, and no
launch overlaps its parts perfectly. So the result is a lower bound, not a forecast.

Notation: H hidden units, D inputs, B examples.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from math import ceil
from pathlib import Path
from typing import NamedTuple

#: Units of a tile, and outputs of a program of decode.
TILE_UNITS, BLOCK_OUTPUTS = 32, 64
#: Multiprocessors (each issues one wavefront and four warp instructions a clock), clocks a
#: microsecond, and bytes of the L2 cache a microsecond.
MULTIPROCESSORS, CLOCKS, L2_BYTES = 132, 1755, 5.5e6
INSTRUCTIONS_A_CLOCK = 4

#: Kernels with one program for each tile; the others have one for each block of outputs of a slot.
_BY_TILE = {"encode", "update_decoder", "update_encoder"}


class Busy(NamedTuple):
    """Microseconds for which each part of the card is busy."""

    memory: float
    l2: float
    shared: float
    issue: float


class Counted(NamedTuple):
    """Counts of one program."""

    instructions: float
    wavefronts: float
    l2_bytes: float


def memory_bytes(hidden_width: int, n_inputs: int, batch_size: int) -> dict[str, int]:
    """Return each kernel's bytes of main memory for a slot of this width."""
    w, z = 4 * hidden_width * n_inputs, 4 * hidden_width * batch_size
    p, g, x = z, 4 * batch_size * n_inputs, batch_size * n_inputs
    parts = ceil(n_inputs / BLOCK_OUTPUTS) * 4 * batch_size * TILE_UNITS
    joined = {"decode_single_tile": 6 * w + z + x + parts, "update_decoder": parts + z + p}
    unjoined = {"decode": w + z + g + x, "update_decoder": 6 * w + g + z + p}
    return {
        "encode": w + x + z,
        "measure": w + x + z,
        "update_encoder": 6 * w + p + 2 * x + z,
        **(joined if hidden_width <= TILE_UNITS else unjoined),
    }


def launch_bytes(kernel: str, widths: Iterable[int], n_inputs: int, batch_size: int) -> int:
    """Return the bytes of main memory of a launch over slots of these widths."""
    return sum(memory_bytes(width, n_inputs, batch_size).get(kernel, 0) for width in widths)


def busy(
    kernel: str, widths: Sequence[int], n_inputs: int, batch_size: int, bytes_per_second: float
) -> Busy:
    """Return the busy times of a launch over slots of these widths, for this memory bandwidth.

    Raises KeyError for a kernel that was not counted.
    """
    programs = [
        (_programs(kernel, width, n_inputs), _count(kernel, _tiles(width))) for width in widths
    ]
    clocks = MULTIPROCESSORS * CLOCKS
    return Busy(
        memory=launch_bytes(kernel, widths, n_inputs, batch_size) / bytes_per_second * 1e6,
        l2=sum(n * one.l2_bytes for n, one in programs) / L2_BYTES,
        shared=sum(n * one.wavefronts for n, one in programs) / clocks,
        issue=sum(n * one.instructions for n, one in programs) / INSTRUCTIONS_A_CLOCK / clocks,
    )


def _tiles(width: int) -> int:
    return ceil(width / TILE_UNITS)


def _programs(kernel: str, width: int, n_inputs: int) -> int:
    return _tiles(width) if kernel in _BY_TILE else ceil(n_inputs / BLOCK_OUTPUTS)


def _count(kernel: str, n_tiles: int) -> Counted:
    """Return the counts of a program; extrapolates linearly beyond the tiles that were counted."""
    known = counts()[kernel]
    if n_tiles in known:
        return known[n_tiles]
    low, high = sorted(known)[-2:]
    share = (n_tiles - low) / (high - low)
    return Counted(*(a + share * (b - a) for a, b in zip(known[low], known[high], strict=True)))


@cache
def counts() -> dict[str, dict[int, Counted]]:
    """Return all counts, by kernel and number of tiles of the slot."""
    written = json.loads(Path(__file__).with_name("counted.json").read_text())
    return {
        kernel: {int(n): Counted(**counts) for n, counts in by_tiles.items()}
        for kernel, by_tiles in written.items()
    }
