"""Which instruction comes next, and for which threads.

Where the threads of a block part at a branch, those that are furthest behind in the program go
first, until they are where others wait: so they meet again where the ways join. Barriers,
shuffles and products need all threads of the block, and raise where some are elsewhere.
"""

import numpy as np

from tests.ptx.arithmetic import ARITHMETIC
from tests.ptx.block import Block, Operation
from tests.ptx.movement import MOVEMENT, TOGETHER, nothing
from tests.ptx.program import KINDS, Array, Instruction, UnknownInstructionError
from tests.ptx.tensor_cores import TENSOR_CORES

_U32 = KINDS["u32"]


def run(block: Block) -> None:
    """To the end of the program."""
    #: Threads by their next instruction.
    places = {0: block.everyone}
    with np.errstate(all="ignore"):
        while places:
            at = min(places)
            for following, threads in _take(block, at, places.pop(at)):
                met = places.get(following)
                places[following] = threads if met is None else block.mask(met | threads)


def _take(block: Block, at: int, active: Array) -> list[tuple[int, Array]]:
    """Have these threads take an instruction: where they are then."""
    instruction = block.program.instructions[at]
    block.count_issue(instruction, active)
    chosen = block.chosen(instruction, active)
    match instruction.key:
        case "ret":
            ways = [(at + 1, block.mask(active & ~chosen))]
        case "bra":
            target = block.program.labels[instruction.operands[0]]
            ways = [(at + 1, block.mask(active & ~chosen)), (target, chosen)]
        case "brx.idx":
            ways = [(block.program.labels[_label(block, instruction, active)], active)]
        case key if key in OPERATIONS:
            try:
                OPERATIONS[key](block, instruction, chosen)
            except Exception as error:
                error.add_note(f"in block {block.index}: {instruction.text}")
                raise
            return [(at + 1, active)]
        case _:
            raise UnknownInstructionError(f"unknown instruction: {instruction.text}")
    return [(following, threads) for following, threads in ways if threads.any()]


def _label(block: Block, instruction: Instruction, active: Array) -> str:
    index, table = instruction.operands
    (chosen,) = {int(one) for one in block.read(index, _U32)[active]}
    return block.program.tables[table][chosen]


def _together(operation: Operation) -> Operation:
    def checked(block: Block, instruction: Instruction, active: Array) -> None:
        if active is not block.everyone:
            raise NotImplementedError(f"threads have parted: {instruction.text}")
        operation(block, instruction, active)

    return checked


OPERATIONS: dict[str, Operation] = {
    **ARITHMETIC,
    **MOVEMENT,
    **{key: _together(operation) for key, operation in (TOGETHER | TENSOR_CORES).items()},
    **dict.fromkeys(("wgmma.fence", "wgmma.commit_group", "wgmma.wait_group"), _together(nothing)),
}
