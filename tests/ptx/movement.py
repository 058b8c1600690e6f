"""Instructions that move values: between registers, memories and threads.

Source: PTX ISA, "Data Movement and Conversion Instructions". Copies that are asynchronous on the
card are done at once here, and nothing is waited for.
"""

from collections.abc import Callable

import numpy as np

from tests.ptx.block import Block, Operation
from tests.ptx.counts import WARP
from tests.ptx.program import KINDS, Array, Instruction, names_of

_U32 = KINDS["u32"]


def move(block: Block, instruction: Instruction, active: Array) -> None:
    """Also one register into several smaller ones, "{a, b}", and several into one: lowest first."""
    target, source = instruction.operands
    (kind,) = instruction.kinds
    if target.startswith("{"):
        targets = names_of(target)
        parts = block.read(source, kind)[:, None].view(f"u{kind.itemsize // len(targets)}")
        for name, part in zip(targets, parts.T, strict=True):
            if name != "_":  # what nobody wants
                block.write(name, part, active)
    elif source.startswith("{"):
        sources = names_of(source)
        part_kind = np.dtype(f"u{kind.itemsize // len(sources)}")
        joined = np.ascontiguousarray(block.read_all(sources, part_kind).T).view(kind)
        block.write(target, joined[:, 0], active)
    else:
        block.write(target, block.read(source, kind), active)


def load_parameter(block: Block, instruction: Instruction, active: Array) -> None:
    target, source = instruction.operands
    (kind,) = instruction.kinds
    value = block.arguments[source.strip("[ ]")] % (1 << 8 * kind.itemsize)
    block.write(target, np.full(block.n_threads, value, kind), active)


def load(block: Block, instruction: Instruction, active: Array) -> None:
    if not active.any():
        return
    target, source = instruction.operands
    (kind,), n = instruction.kinds, instruction.n_elements
    addresses = block.addresses(source)
    values = np.zeros((block.n_threads, n), kind)
    if instruction.key == "ld.shared":
        values[active] = block.shared.load(addresses[active], kind, n)
        block.count_wavefronts(addresses, kind.itemsize * n, active)
    else:
        memory = block.device.of(int(addresses[active].min()))
        values[active] = memory.load(addresses[active], kind, n)
        block.count_sectors(addresses, kind.itemsize * n, active)
    for name, column in zip(names_of(target), values.T, strict=True):
        block.write(name, column.copy(), active)


def store(block: Block, instruction: Instruction, active: Array) -> None:
    if not active.any():
        return
    target, source = instruction.operands
    (kind,) = instruction.kinds
    addresses = block.addresses(target)
    values = block.read_all(names_of(source), kind).T
    if instruction.key == "st.shared":
        block.shared.store(addresses[active], values[active])
        block.count_wavefronts(addresses, kind.itemsize * values.shape[1], active)
    else:
        memory = block.device.of(int(addresses[active].min()))
        memory.store(addresses[active], values[active])
        block.count_sectors(addresses, kind.itemsize * values.shape[1], active)


def copy_to_shared(block: Block, instruction: Instruction, active: Array) -> None:
    """So many bytes from global memory: all of them, or zeros where the size to be read is 0."""
    if not active.any():
        return
    target, source, n_bytes, *size = instruction.operands
    n = int(n_bytes, 0) // _U32.itemsize
    to, of = block.addresses(target), block.addresses(source)
    read = block.read(size[0], _U32) if size else np.full(block.n_threads, 4 * n, np.uint32)
    if not np.isin(read[active], (0, 4 * n)).all():
        raise NotImplementedError(f"a copy that reads in part: {instruction.text}")
    seen = active & (read > 0)
    values = np.zeros((block.n_threads, n), _U32)
    if seen.any():
        values[seen] = block.device.of(int(of[seen].min())).load(of[seen], _U32, n)
    block.shared.store(to[active], values[active])
    block.count_wavefronts(to, 4 * n, active)
    block.count_sectors(of, 4 * n, seen)


def shuffle(source_of: Callable[[Array, Array], Array]) -> Operation:
    """Another lane's value, where all of a warp's lanes take part."""

    def operation(block: Block, instruction: Instruction, active: Array) -> None:
        target, source, which, *rest = instruction.operands
        if rest != ["31", "-1"]:
            raise NotImplementedError(f"a shuffle of parts of a warp: {instruction.text}")
        values = block.read(source, _U32).reshape(-1, WARP)
        lanes = source_of(np.arange(WARP), block.read(which, _U32).reshape(-1, WARP))
        shuffled = np.take_along_axis(values, lanes.astype(np.intp), axis=1)
        block.write(target, shuffled.ravel(), active)

    return operation


def sum_over_warp(block: Block, instruction: Instruction, active: Array) -> None:
    target, source, members = instruction.operands
    if not (block.read(members, _U32) == 0xFFFFFFFF).all():
        raise NotImplementedError(f"a sum over a part of a warp: {instruction.text}")
    values = block.read(source, instruction.kinds[0]).reshape(-1, WARP)
    block.write(target, values.sum(axis=1, dtype=values.dtype).repeat(WARP), active)


def nothing(block: Block, instruction: Instruction, active: Array) -> None:
    """What puts threads or asynchronous work in order, which are in order here."""


MOVEMENT: dict[str, Operation] = {
    "mov": move,
    "cvta.local": move,
    "ld.param": load_parameter,
    "ld.global": load,
    "ld.shared": load,
    "st.global": store,
    "st.shared": store,
    "st.local": nothing,  # a thread's stack, which no known instruction reads
    "cp.async.shared.global": copy_to_shared,
    "cp.async.commit_group": nothing,
    "cp.async.wait_group": nothing,
    "fence.proxy.async.shared": nothing,
}

#: For these all threads of the block have to be together.
TOGETHER: dict[str, Operation] = {
    "bar": nothing,
    "bar.warp": nothing,
    "shfl.bfly": shuffle(lambda lane, mask: lane ^ mask),
    "shfl.idx": shuffle(lambda lane, index: index),
    "redux.add": sum_over_warp,
}
