"""Run the fused trainer's compiled kernels on the CPU: what they compute, and what they cost.

    python -m tests.ptx 784 200 32     a table for one slot of each of these widths
    python -m tests.ptx check 100 50   how far training is from autograd's, at this D and each B
    python -m tests.ptx card 20 9      how far from its limits a worker's check of its card is, with
                                       this batch size and side of images
    python -m tests.ptx chain          how far a chain of two steps is from its twin in torch
    python -m tests.ptx conflicts      how often each kernel waits for shared memory's banks
    python -m tests.ptx counted        write benchmarks/counted.json, for benchmarks.bounds
    python -m tests.ptx chain + card 20 9    several of these in one process

Everything here is counted and nothing measured. The table's counts, at D = 784 and B = 128, are of
a kernel's first program. Its microseconds are what all programs would take, alone on 132
multiprocessors of 1.755 GHz, if nothing took time but instructions (four a clock and
multiprocessor), or wavefronts of shared memory (one), or the L2 cache (5.5 TB/s), or main memory
(3.0 TB/s, bytes by formula). The largest of these, added up over the kernels of a step, stand
beside the floor; encode and measure are not part of a step. What wgmma reads of shared memory is
not counted. All of it needs TRITON_INTERPRET=0.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path

import torch

from benchmarks import bounds
from benchmarks.bounds import TILE_UNITS
from sweep.trainer.fused.kernel_config import PRECISIONS
from tests.ptx.card import check_card
from tests.ptx.costs import count_costs, slot_costs, table
from tests.ptx.emulator import Emulator, compile_to_ptx
from tests.ptx.program import UnknownInstructionError
from tests.ptx.training import check_training
from tests.support.compile_fused import pretended_h100
from tests.support.kernel_cases import differences, make_case

#: Where ``benchmarks.bounds`` keeps its counts, and for slots of how many tiles.
COUNTED = Path(bounds.__file__).with_name("counted.json")
COUNTED_TILES = (1, 2, 4)


#: Exit status where the emulator does not know an instruction.
UNKNOWN_INSTRUCTION = 3


def main() -> None:
    try:
        compile_to_ptx()
        with pretended_h100():
            for command in list(commands(sys.argv[1:])) or [[]]:
                run(command)
    except UnknownInstructionError as error:
        print(error, file=sys.stderr)
        sys.exit(UNKNOWN_INSTRUCTION)


def commands(arguments: list[str]) -> Iterator[list[str]]:
    """What stands between the pluses."""
    for is_plus, words in groupby(arguments, key="+".__eq__):
        if not is_plus:
            yield list(words)


def run(command: list[str]) -> None:
    match command:
        case ["check", n_inputs, *batch_sizes]:
            for batch_size in batch_sizes:
                print_differences(int(n_inputs), int(batch_size))
        case ["card", batch_size, side]:
            print_check(int(batch_size), int(side))
        case ["chain"]:
            print_chain()
        case ["conflicts"]:
            print_conflicts()
        case ["counted"]:
            write_counted()
        case [*widths] if widths and all(width.isdecimal() for width in widths):
            for width in widths:
                print(*table(int(width)), "", sep="\n")
        case _:
            sys.exit(__doc__)


def print_differences(n_inputs: int, batch_size: int) -> None:
    """With factors of products as they are, and cut to tf32."""
    for cuts in (False, True):
        run = {"batch_size": batch_size, "cuts": cuts}
        for what, difference in check_training(n_inputs, batch_size, cuts=cuts):
            print(json.dumps(run | {"what": what, "difference": difference}))


def print_check(batch_size: int, side: int) -> None:
    """Each comparison that it makes, and how much of what it allows was used."""
    for precision in PRECISIONS:
        for difference in check_card(precision, batch_size=batch_size, side=side):
            used = difference.relative / difference.allowed
            print(json.dumps({"precision": precision, "what": str(difference), "used": used}))


def print_chain() -> None:
    """How far each array is from its twin's, relative to its largest number."""
    config = replace(PRECISIONS["tf32"], chain_steps=2)
    shape = {"batch_size": 40, "n_inputs": 80, "precision": "tf32"}
    case = make_case("train_chain", torch.device("cpu"), config=config, last=True, **shape)  # type: ignore[arg-type]
    for name, difference in differences(case, Emulator(cuts=False).launch).items():
        print(json.dumps({"array": name, "difference": difference}))


def print_conflicts() -> None:
    """Of every kernel that uses shared memory: with two tiles, with one, in a large batch."""
    launches = [
        slot_costs(64),
        slot_costs(32),
        slot_costs(64, batch_size=256, kernels={"hidden_gradient"}),
    ]
    for costs in launches:
        for name, cost in costs.items():
            if cost.counts.wavefronts:
                print(json.dumps({"kernel": name} | asdict(cost.counts)))


def write_counted() -> None:
    """Of every kernel that multiplies, for slots of one, two and four tiles."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for n_tiles in COUNTED_TILES:
        for name, counts in count_costs(slot_costs(n_tiles * TILE_UNITS)).items():
            found.setdefault(name, {})[n_tiles] = counts._asdict()
    kept = {name: by_tiles for name, by_tiles in found.items() if name != "begin_step"}
    COUNTED.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
