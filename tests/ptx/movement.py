"""Instructions that move values: between registers, memories and threads.

Source: PTX ISA, "Data Movement and Conversion Instructions". Copies that are asynchronous on the
card are done at once here, and nothing is waited for.
"""

from collections.abc import Callable

import numpy as np

from tests.ptx.block import Blocks, Operation
from tests.ptx.counts import WARP
from tests.ptx.program import KINDS, Array, Instruction, names_of

_U32 = KINDS["u32"]


def move(blocks: Blocks, instruction: Instruction, active: Array) -> None:
    """Also one register into several smaller ones, "{a, b}", and several into one: lowest first."""
    target, source = instruction.operands
    (kind,) = instruction.kinds
    if target.startswith("{"):
        targets = names_of(target)
        parts = blocks.read(source, kind)[:, None].view(f"u{kind.itemsize // len(targets)}")
        for name, part in zip(targets, parts.T, strict=True):
            if name != "_":  # what nobody wants
                blocks.write(name, part, active)
    elif source.startswith("{"):
        sources = names_of(source)
        part_kind = np.dtype(f"u{kind.itemsize // len(sources)}")
        joined = np.ascontiguousarray(blocks.read_all(sources, part_kind).T).view(kind)
        blocks.write(target, joined[:, 0], active)
    else:
        blocks.write(target, blocks.read(source, kind), active)


def load_parameter(blocks: Blocks, instruction: Instruction, active: Array) -> None:
    target, source = instruction.operands
    (kind,) = instruction.kinds
    value = blocks.arguments[source.strip("[ ]")] % (1 << 8 * kind.itemsize)
    blocks.write(target, np.full(blocks.n_threads, value, kind), active)


def load(blocks: Blocks, instruction: Instruction, active: Array) -> None:
    if not active.any():
        return
    target, source = instruction.operands
    (kind,), n = instruction.kinds, instruction.n_elements
    addresses = blocks.addresses(source)
    values = np.zeros((blocks.n_threads, n), kind)
    if instruction.key == "ld.shared":
        values[active] = blocks.shared.load(blocks.block_of[active], addresses[active], kind, n)
        blocks.count_wavefronts(addresses, kind.itemsize * n, active)
    else:
        memory = blocks.device.of(int(addresses[active].min()))
        values[active] = memory.load(addresses[active], kind, n)
        blocks.count_sectors(addresses, kind.itemsize * n, active)
    for name, column in zip(names_of(target), values.T, strict=True):
        blocks.write(name, column.copy(), active)


def store(blocks: Blocks, instruction: Instruction, active: Array) -> None:
    if not active.any():
        return
    target, source = instruction.operands
    (kind,) = instruction.kinds
    addresses = blocks.addresses(target)
    values = blocks.read_all(names_of(source), kind).T
    if instruction.key == "st.shared":
        blocks.shared.store(blocks.block_of[active], addresses[active], values[active])
        blocks.count_wavefronts(addresses, kind.itemsize * values.shape[1], active)
    else:
        memory = blocks.device.of(int(addresses[active].min()))
        memory.store(addresses[active], values[active])
        blocks.count_sectors(addresses, kind.itemsize * values.shape[1], active)


def copy_to_shared(blocks: Blocks, instruction: Instruction, active: Array) -> None:
    """So many bytes from global memory: all of them, or zeros where the size to be read is 0."""
    if not active.any():
        return
    target, source, n_bytes, *size = instruction.operands
    n = int(n_bytes, 0) // _U32.itemsize
    to, of = blocks.addresses(target), blocks.addresses(source)
    read = blocks.read(size[0], _U32) if size else np.full(blocks.n_threads, 4 * n, np.uint32)
    if not np.isin(read[active], (0, 4 * n)).all():
        raise NotImplementedError(f"a copy that reads in part: {instruction.text}")
    seen = active & (read > 0)
    values = np.zeros((blocks.n_threads, n), _U32)
    if seen.any():
        values[seen] = blocks.device.of(int(of[seen].min())).load(of[seen], _U32, n)
    blocks.shared.store(blocks.block_of[active], to[active], values[active])
    blocks.count_wavefronts(to, 4 * n, active)
    blocks.count_sectors(of, 4 * n, seen)


def shuffle(source_of: Callable[[Array, Array], Array]) -> Operation:
    """Another lane's value, where all of a warp's lanes take part."""

    def operation(blocks: Blocks, instruction: Instruction, active: Array) -> None:
        target, source, which, *rest = instruction.operands
        if rest != ["31", "-1"]:
            raise NotImplementedError(f"a shuffle of parts of a warp: {instruction.text}")
        values = blocks.read(source, _U32).reshape(-1, WARP)
        lanes = source_of(np.arange(WARP), blocks.read(which, _U32).reshape(-1, WARP))
        lanes = np.where(active.reshape(-1, WARP), lanes, 0)  # others may be in blocks elsewhere
        shuffled = np.take_along_axis(values, lanes.astype(np.intp), axis=1)
        blocks.write(target, shuffled.ravel(), active)

    return operation


def sum_over_warp(blocks: Blocks, instruction: Instruction, active: Array) -> None:
    target, source, members = instruction.operands
    if not (blocks.read(members, _U32) == 0xFFFFFFFF)[active].all():
        raise NotImplementedError(f"a sum over a part of a warp: {instruction.text}")
    values = blocks.read(source, instruction.kinds[0]).reshape(-1, WARP)
    blocks.write(target, values.sum(axis=1, dtype=values.dtype).repeat(WARP), active)


def nothing(blocks: Blocks, instruction: Instruction, active: Array) -> None:
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

#: For these all threads of a block have to be together.
TOGETHER: dict[str, Operation] = {
    "bar": nothing,
    "bar.warp": nothing,
    "shfl.bfly": shuffle(lambda lane, mask: lane ^ mask),
    "shfl.idx": shuffle(lambda lane, index: index),
    "redux.add": sum_over_warp,
}
