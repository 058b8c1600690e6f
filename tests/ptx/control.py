"""Which instruction comes next, and for which threads.

Where threads part at a branch, those that are furthest behind in the program go first, until they
are where others wait: so they meet again where the ways join. Barriers, shuffles and products need
all threads of a block, and raise where some are elsewhere.
"""

import numpy as np

from tests.ptx.arithmetic import ARITHMETIC
from tests.ptx.block import Blocks, Operation, Threads
from tests.ptx.movement import MOVEMENT, TOGETHER, nothing
from tests.ptx.program import KINDS, Instruction, UnknownInstructionError
from tests.ptx.tensor_cores import TENSOR_CORES

_U32 = KINDS["u32"]

_BRANCHES = {"ret", "bra", "brx.idx"}


def run(blocks: Blocks) -> None:
    """To the end of the program."""
    #: Threads by their next instruction.
    places = {0: blocks.everyone}
    with np.errstate(all="ignore"):
        while places:
            at = min(places)
            threads = places.pop(at)
            at = _run_to_branch(
                blocks, at, min(places, default=len(blocks.program.instructions)), threads
            )
            ways = [(at, threads)] if at in places else _take_branch(blocks, at, threads)
            for following, some in ways:
                met = places.get(following)
                places[following] = some if met is None else met.join(some)


def _run_to_branch(blocks: Blocks, at: int, end: int, threads: Threads) -> int:
    """Have these threads take instructions up to a branch or to this end: where they are then."""
    for i in range(at, end):
        instruction = blocks.program.instructions[i]
        if instruction.key in _BRANCHES:
            return i
        if (operation := OPERATIONS.get(instruction.key)) is None:
            raise UnknownInstructionError(f"unknown instruction: {instruction.text}")
        blocks.count_issue(instruction, threads)
        chosen = threads
        if instruction.guard:
            chosen = threads.select(blocks.guard(instruction, threads))
        if not len(chosen):
            continue
        try:
            operation(blocks, instruction, chosen)
        except Exception as error:
            error.add_note(f"in blocks from {blocks.indices[0]} on: {instruction.text}")
            raise
    return end


def _take_branch(blocks: Blocks, at: int, threads: Threads) -> list[tuple[int, Threads]]:
    """Have these threads take a branch: where they are then."""
    instruction = blocks.program.instructions[at]
    blocks.count_issue(instruction, threads)
    if instruction.key == "brx.idx":
        return _chosen_ways(blocks, instruction, threads)
    chosen, others = threads, Threads(threads.numbers[:0])
    if instruction.guard:
        guard = blocks.guard(instruction, threads)
        chosen, others = threads.select(guard), threads.select(~guard)
    ways = [(at + 1, others)]
    if instruction.key == "bra":
        ways += [(blocks.program.labels[instruction.operands[0]], chosen)]
    return [(following, some) for following, some in ways if len(some)]


def _chosen_ways(
    blocks: Blocks, instruction: Instruction, threads: Threads
) -> list[tuple[int, Threads]]:
    index, table = instruction.operands
    chosen, labels = blocks.read(index, _U32, threads), blocks.program.tables[table]
    return [
        (blocks.program.labels[labels[one]], threads.select(chosen == one))
        for one in np.unique(chosen)
    ]


def _together(operation: Operation) -> Operation:
    def checked(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
        if threads is not blocks.everyone and not blocks.are_whole(threads):
            raise NotImplementedError(f"threads have parted: {instruction.text}")
        operation(blocks, instruction, threads)

    return checked


OPERATIONS: dict[str, Operation] = {
    **ARITHMETIC,
    **MOVEMENT,
    **{key: _together(operation) for key, operation in (TOGETHER | TENSOR_CORES).items()},
    **dict.fromkeys(("wgmma.fence", "wgmma.commit_group", "wgmma.wait_group"), _together(nothing)),
}
