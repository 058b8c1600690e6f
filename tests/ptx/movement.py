"""Instructions that move values: between registers, memories and threads.

Source: PTX ISA, "Data Movement and Conversion Instructions". Copies that are asynchronous on the
card are done at once here, and nothing is waited for.
"""

from collections.abc import Callable

import numpy as np

from tests.ptx.block import Blocks, Operation, Threads
from tests.ptx.counts import WARP
from tests.ptx.program import KINDS, Array, Instruction, names_of

_U32 = KINDS["u32"]
_LANES = np.arange(WARP)


def move(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
    """Also one register into several smaller ones, "{a, b}", and several into one: lowest first."""
    target, source = instruction.operands
    (kind,) = instruction.kinds
    if target.startswith("{"):
        targets = names_of(target)
        whole = np.ascontiguousarray(blocks.read(source, kind, threads))
        parts = whole[:, None].view(f"u{kind.itemsize // len(targets)}")
        for name, part in zip(targets, parts.T, strict=True):
            if name != "_":  # what nobody wants
                blocks.write(name, part, threads)
    elif source.startswith("{"):
        sources = names_of(source)
        part_kind = np.dtype(f"u{kind.itemsize // len(sources)}")
        joined = np.ascontiguousarray(blocks.read_all(sources, part_kind, threads).T).view(kind)
        blocks.write(target, joined[:, 0], threads)
    else:
        blocks.write(target, blocks.read(source, kind, threads), threads)


def load_parameter(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
    target, source = instruction.operands
    (kind,) = instruction.kinds
    value = blocks.arguments[source.strip("[ ]")] % (1 << 8 * kind.itemsize)
    blocks.write(target, np.array([value], kind), threads)


def load(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
    target, source = instruction.operands
    (kind,), n = instruction.kinds, instruction.n_elements
    addresses = blocks.addresses(source, threads)
    if instruction.key == "ld.shared":
        values = blocks.shared.load(blocks.block_of[threads.at], addresses, kind, n)
        blocks.count_wavefronts(addresses, kind.itemsize * n, threads)
    else:
        values = blocks.device.of(int(addresses.min())).load(addresses, kind, n)
        blocks.count_sectors(addresses, kind.itemsize * n, threads)
    for name, column in zip(names_of(target), values.T, strict=True):
        blocks.write(name, column, threads)


def store(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
    target, source = instruction.operands
    (kind,) = instruction.kinds
    addresses = blocks.addresses(target, threads)
    values = blocks.read_all(names_of(source), kind, threads).T
    if instruction.key == "st.shared":
        blocks.shared.store(blocks.block_of[threads.at], addresses, values)
        blocks.count_wavefronts(addresses, kind.itemsize * values.shape[1], threads)
    else:
        blocks.device.of(int(addresses.min())).store(addresses, values)
        blocks.count_sectors(addresses, kind.itemsize * values.shape[1], threads)


def copy_to_shared(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
    """So many bytes from global memory: all of them, or zeros where the size to be read is 0."""
    target, source, n_bytes, *size = instruction.operands
    n = int(n_bytes, 0) // _U32.itemsize
    to, of = blocks.addresses(target, threads), blocks.addresses(source, threads)
    read = blocks.read(size[0] if size else str(4 * n), _U32, threads)
    seen = read > 0
    if (read[seen] != 4 * n).any():
        raise NotImplementedError(f"a copy that reads in part: {instruction.text}")
    values = np.zeros((len(threads), n), _U32)
    if seen.any():
        values[seen] = blocks.device.of(int(of[seen].min())).load(of[seen], _U32, n)
        blocks.count_sectors(of[seen], 4 * n, threads.select(seen))
    blocks.shared.store(blocks.block_of[threads.at], to, values)
    blocks.count_wavefronts(to, 4 * n, threads)


def shuffle(source_of: Callable[[Array, Array], Array]) -> Operation:
    """Another lane's value, where all of a warp's lanes take part."""

    def operation(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
        target, source, which, *rest = instruction.operands
        if rest != ["31", "-1"]:
            raise NotImplementedError(f"a shuffle of parts of a warp: {instruction.text}")
        values = blocks.read(source, _U32, threads).reshape(-1, WARP)
        lanes = source_of(_LANES, blocks.read(which, _U32, threads).reshape(-1, WARP))
        shuffled = values[np.arange(len(values))[:, None], lanes]
        blocks.write(target, shuffled.ravel(), threads)

    return operation


def sum_over_warp(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
    target, source, members = instruction.operands
    if not (blocks.read(members, _U32, threads) == 0xFFFFFFFF).all():
        raise NotImplementedError(f"a sum over a part of a warp: {instruction.text}")
    values = blocks.read(source, instruction.kinds[0], threads).reshape(-1, WARP)
    blocks.write(target, values.sum(axis=1, dtype=values.dtype).repeat(WARP), threads)


def nothing(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
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
