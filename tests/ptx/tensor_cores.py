"""Matrix products in tf32, and the moves of matrices between registers and shared memory.

Source: PTX ISA, "Matrix Fragments for mma.m16n8k8"; "Register Fragments for
wgmma.mma_async.m64nNk8", "Matrix Descriptor Format" and "Swizzling Modes"; "ldmatrix"; "stmatrix".
"""

import numpy as np

from tests.ptx.block import Blocks, Operation, Threads
from tests.ptx.counts import WARP
from tests.ptx.program import KINDS, Array, Instruction, names_of

_F32, _U32, _U64, _PRED = KINDS["f32"], KINDS["u32"], KINDS["u64"], KINDS["pred"]

_LANE = np.arange(WARP)
#: The manual's groupID and threadID_in_group.
_GROUP, _MEMBER = _LANE // 4, _LANE % 4
#: Rows and columns of the elements of a fragment, (elements, lanes). A: 16 x 8.
_A = (_GROUP + np.array([[0], [8], [0], [8]]), _MEMBER + np.array([[0], [0], [4], [4]]))
#: B: 8 x 8.
_B = (_MEMBER + np.array([[0], [4]]), np.stack([_GROUP, _GROUP]))
#: C and D: 16 x 8.
_D = (_GROUP + np.array([[0], [0], [8], [8]]), 2 * _MEMBER + np.array([[0], [1], [0], [1]]))

_WARPGROUP = 128

#: By a descriptor's swizzling mode: bytes of a row, and which address bits 7 … change bits 4 ….
_SWIZZLES = {1: (128, 7), 2: (64, 3), 3: (32, 1)}


def multiply(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
    """mma.m16n8k8: a warp's D = A B + C."""
    d, a, b, c = instruction.operands
    left = _matrix(_factor(blocks, a, threads), _A, (16, 8))
    product = left @ _matrix(_factor(blocks, b, threads), _B, (8, 8))
    total = product + _matrix(blocks.read_all(names_of(c), _F32, threads), _D, (16, 8))
    elements = total[:, *_D].astype(np.float32)  # (warps, elements, lanes)
    for i, name in enumerate(names_of(d)):
        blocks.write(name, elements[:, i].ravel(), threads)


def multiply_by_warpgroups(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
    """wgmma.m64nNk8: a warpgroup's D = A B, or D += A B; B lies in shared memory, A may.

    Warp w has rows 16 w … of A and D, in fragments like those of mma, N / 8 of D.
    """
    d, a, b, adds, *signs = instruction.operands
    if signs != ["1", "1"]:
        raise NotImplementedError(f"a negated factor: {instruction.text}")
    n_columns = 2 * len(names_of(d))
    if a.startswith("{"):
        rows = _matrix(_factor(blocks, a, threads), _A, (16, 8)).reshape(-1, 64, 8)
    else:
        rows = _read_rows(blocks, a, threads, 64)
    products = rows @ _read_rows(blocks, b, threads, n_columns).transpose(0, 2, 1)
    tiles = products.reshape(len(threads) // WARP, 16, -1, 8).transpose(0, 2, 1, 3)
    elements = tiles[:, :, *_D]  # (warps, N / 8, elements, lanes)
    sums = elements.transpose(1, 2, 0, 3).reshape(-1, len(threads))
    accumulates = blocks.read(adds, _PRED, threads)
    by_block = blocks.by_block(accumulates)
    if (by_block.any(axis=1) != by_block.all(axis=1)).any():
        raise NotImplementedError(f"threads that want different sums: {instruction.text}")
    if accumulates.any():
        sums = np.where(accumulates, sums + blocks.read_all(names_of(d), _F32, threads), sums)
    for name, values in zip(names_of(d), sums.astype(np.float32), strict=True):
        blocks.write(name, values, threads)


def load_matrices(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
    """ldmatrix: 8 rows of 16 bytes each; lane l has bytes 4 (l % 4) … of row l // 4."""
    target, source = instruction.operands
    names, addresses = names_of(target), blocks.addresses(source, threads)
    for name, at in zip(names, _elements_of(addresses, len(names)), strict=True):
        values = blocks.shared.load(blocks.block_of[threads.at], at, _U32, 1)[:, 0]
        blocks.write(name, values, threads)
    _count_rows(blocks, addresses, len(names), threads)


def store_matrices(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
    """stmatrix: the same the other way."""
    target, source = instruction.operands
    names, addresses = names_of(source), blocks.addresses(target, threads)
    for name, at in zip(names, _elements_of(addresses, len(names)), strict=True):
        values = blocks.read(name, _U32, threads)
        blocks.shared.store(blocks.block_of[threads.at], at, values[:, None])
    _count_rows(blocks, addresses, len(names), threads)


def _elements_of(addresses: Array, n_matrices: int) -> Array:
    """Of each thread's element, (matrices, threads); lanes 8 i … have the rows of matrix i."""
    by_warp = addresses.reshape(-1, WARP)
    rows = [by_warp[:, 8 * i + _LANE // 4] for i in range(n_matrices)]
    return np.stack([(row + 4 * (_LANE % 4)).ravel() for row in rows])


def _count_rows(blocks: Blocks, addresses: Array, n_matrices: int, threads: Threads) -> None:
    giving = threads.numbers % WARP // 8 < n_matrices
    blocks.count_wavefronts(addresses[giving], 16, threads.select(giving))


def _factor(blocks: Blocks, operand: str, threads: Threads) -> Array:
    """A factor's registers, (elements, threads)."""
    return _round_to_tf32(blocks, blocks.read_all(names_of(operand), _F32, threads))


def _round_to_tf32(blocks: Blocks, values: Array) -> Array:
    """As the card takes them: of 23 bits of a fraction the upper 10."""
    return (values.view(_U32) & _U32.type(0xFFFFE000)).view(_F32) if blocks.cuts else values


def _matrix(
    registers: Array,  # (elements, threads)
    places: tuple[Array, Array],
    shape: tuple[int, int],
) -> Array:
    """Each warp's matrix, (warps, rows, columns) float64."""
    elements = registers.reshape(len(registers), -1, WARP).transpose(1, 0, 2)
    matrix = np.zeros((len(elements), *shape))
    matrix[:, *places] = elements
    return matrix


def _read_rows(blocks: Blocks, operand: str, threads: Threads, n_rows: int) -> Array:
    """Rows of 8 numbers whose descriptor a warpgroup has, (warpgroups, rows, 8) float64.

    Bits 0-13 of a descriptor: where it starts, 32-45: from 8 rows to the next 8, both in 16 bytes;
    62-63: swizzling mode.
    """
    groups = blocks.read(operand, _U64, threads).reshape(-1, _WARPGROUP)
    descriptors = groups[:, 0].astype(np.int64)
    modes = set((descriptors >> 62 & 3).tolist())
    same = (groups == groups[:, :1]).all() and len(modes) == 1
    if not same or (descriptors >> 49 & 7).any() or not modes <= _SWIZZLES.keys():
        raise NotImplementedError(f"descriptors {sorted({hex(one) for one in groups.flat})}")
    start, stride = (descriptors & 0x3FFF) << 4, (descriptors >> 32 & 0x3FFF) << 4
    row_bytes, bits = _SWIZZLES[modes.pop()]
    row, column = np.arange(n_rows)[:, None], np.arange(8)
    at = start[:, None, None] + row // 8 * stride[:, None, None] + row % 8 * row_bytes + 4 * column
    at ^= (at >> 7 & bits) << 4
    block = blocks.block_of[threads.at][::_WARPGROUP].repeat(8 * n_rows)
    values = blocks.shared.load(block, at.ravel(), _F32, 1).reshape(at.shape)
    return _round_to_tf32(blocks, values).astype(np.float64)


#: All threads of a block have to be together.
TENSOR_CORES: dict[str, Operation] = {
    "mma.m16n8k8.row.col": multiply,
    **{f"wgmma.mma_async.m64n{n}k8": multiply_by_warpgroups for n in range(8, 257, 8)},
    **{f"ldmatrix.m8n8.x{n}.shared": load_matrices for n in (1, 2, 4)},
    **{f"stmatrix.m8n8.x{n}.shared": store_matrices for n in (1, 2, 4)},
}
