"""Which instruction comes next, and for which threads.

Where threads part at a branch, those that are furthest behind in the program go first, until they
are where others wait: so they meet again where the ways join. Barriers, shuffles and products need
all threads of a block, and raise where some are elsewhere.
"""

import numpy as np

from tests.ptx.arithmetic import ARITHMETIC
from tests.ptx.block import Blocks, Operation
from tests.ptx.movement import MOVEMENT, TOGETHER, nothing
from tests.ptx.program import KINDS, Array, Instruction, UnknownInstructionError
from tests.ptx.tensor_cores import TENSOR_CORES

_U32 = KINDS["u32"]


def run(blocks: Blocks) -> None:
    """To the end of the program."""
    #: Threads by their next instruction.
    places = {0: blocks.everyone}
    with np.errstate(all="ignore"):
        while places:
            at = min(places)
            for following, threads in _take(blocks, at, places.pop(at)):
                met = places.get(following)
                places[following] = threads if met is None else blocks.mask(met | threads)


def _take(blocks: Blocks, at: int, active: Array) -> list[tuple[int, Array]]:
    """Have these threads take an instruction: where they are then."""
    instruction = blocks.program.instructions[at]
    blocks.count_issue(instruction, active)
    chosen = blocks.chosen(instruction, active)
    match instruction.key:
        case "ret":
            ways = [(at + 1, blocks.mask(active & ~chosen))]
        case "bra":
            target = blocks.program.labels[instruction.operands[0]]
            ways = [(at + 1, blocks.mask(active & ~chosen)), (target, chosen)]
        case "brx.idx":
            ways = _chosen_ways(blocks, instruction, active)
        case key if key in OPERATIONS:
            try:
                OPERATIONS[key](blocks, instruction, chosen)
            except Exception as error:
                error.add_note(f"in blocks from {blocks.indices[0]} on: {instruction.text}")
                raise
            return [(at + 1, active)]
        case _:
            raise UnknownInstructionError(f"unknown instruction: {instruction.text}")
    return [(following, threads) for following, threads in ways if threads.any()]


def _chosen_ways(
    blocks: Blocks, instruction: Instruction, active: Array
) -> list[tuple[int, Array]]:
    index, table = instruction.operands
    chosen, labels = blocks.read(index, _U32), blocks.program.tables[table]
    return [
        (blocks.program.labels[labels[one]], blocks.mask(active & (chosen == one)))
        for one in np.unique(chosen[active])
    ]


def _together(operation: Operation) -> Operation:
    def checked(blocks: Blocks, instruction: Instruction, active: Array) -> None:
        by_block = blocks.by_block(active)
        if active is not blocks.everyone and (by_block.any(axis=1) != by_block.all(axis=1)).any():
            raise NotImplementedError(f"threads have parted: {instruction.text}")
        operation(blocks, instruction, active)

    return checked


OPERATIONS: dict[str, Operation] = {
    **ARITHMETIC,
    **MOVEMENT,
    **{key: _together(operation) for key, operation in (TOGETHER | TENSOR_CORES).items()},
    **dict.fromkeys(("wgmma.fence", "wgmma.commit_group", "wgmma.wait_group"), _together(nothing)),
}
