"""Matrix products in tf32, and the moves of matrices between registers and shared memory.

Source: PTX ISA, "Matrix Fragments for mma.m16n8k8"; "Register Fragments for
wgmma.mma_async.m64nNk8", "Matrix Descriptor Format" and "Swizzling Modes"; "ldmatrix"; "stmatrix".
"""

import numpy as np

from tests.ptx.block import Blocks, Operation
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


def multiply(blocks: Blocks, instruction: Instruction, active: Array) -> None:
    """mma.m16n8k8: a warp's D = A B + C."""
    d, a, b, c = instruction.operands
    product = _matrix(_factor(blocks, a), _A, (16, 8)) @ _matrix(_factor(blocks, b), _B, (8, 8))
    total = product + _matrix(blocks.read_all(names_of(c), _F32), _D, (16, 8))
    elements = total[:, *_D].astype(np.float32)  # (warps, elements, lanes)
    for i, name in enumerate(names_of(d)):
        blocks.write(name, elements[:, i].ravel(), active)


def multiply_by_warpgroups(blocks: Blocks, instruction: Instruction, active: Array) -> None:
    """wgmma.m64nNk8: a warpgroup's D = A B, or D += A B; B lies in shared memory, A may.

    Warp w has rows 16 w … of A and D, in fragments like those of mma, N / 8 of D.
    """
    d, a, b, adds, *signs = instruction.operands
    if signs != ["1", "1"]:
        raise NotImplementedError(f"a negated factor: {instruction.text}")
    n_columns = 2 * len(names_of(d))
    factor = _matrix(_factor(blocks, a), _A, (16, 8)) if a.startswith("{") else None
    products = []
    for first in range(0, blocks.n_threads, _WARPGROUP):
        if not active[first]:  # its block is elsewhere
            products.append(np.zeros((64, n_columns)))
            continue
        warps = slice(first // WARP, (first + _WARPGROUP) // WARP)
        rows = _read_rows(blocks, a, first, 64) if factor is None else factor[warps].reshape(64, 8)
        products.append(rows @ _read_rows(blocks, b, first, n_columns).T)
    tiles = np.stack(products).reshape(blocks.n_warps, 16, -1, 8).transpose(0, 2, 1, 3)
    elements = tiles[:, :, *_D]  # (warps, N / 8, elements, lanes)
    sums = elements.transpose(1, 2, 0, 3).reshape(-1, blocks.n_threads)
    accumulates = blocks.read(adds, _PRED)
    by_block = blocks.by_block(accumulates | ~active)
    if (by_block.any(axis=1) != by_block.all(axis=1)).any():
        raise NotImplementedError(f"threads that want different sums: {instruction.text}")
    if accumulates.any():
        sums = np.where(accumulates, sums + blocks.read_all(names_of(d), _F32), sums)
    for name, values in zip(names_of(d), sums.astype(np.float32), strict=True):
        blocks.write(name, values, active)


def load_matrices(blocks: Blocks, instruction: Instruction, active: Array) -> None:
    """ldmatrix: 8 rows of 16 bytes each; lane l has bytes 4 (l % 4) … of row l // 4."""
    target, source = instruction.operands
    names, addresses = names_of(target), blocks.addresses(source)
    for name, at in zip(names, _elements_of(addresses, len(names)), strict=True):
        values = np.zeros(blocks.n_threads, _U32)
        values[active] = blocks.shared.load(blocks.block_of[active], at[active], _U32, 1)[:, 0]
        blocks.write(name, values, active)
    _count_rows(blocks, addresses, len(names))


def store_matrices(blocks: Blocks, instruction: Instruction, active: Array) -> None:
    """stmatrix: the same the other way."""
    target, source = instruction.operands
    names, addresses = names_of(source), blocks.addresses(target)
    for name, at in zip(names, _elements_of(addresses, len(names)), strict=True):
        values = blocks.read(name, _U32)[active]
        blocks.shared.store(blocks.block_of[active], at[active], values[:, None])
    _count_rows(blocks, addresses, len(names))


def _elements_of(addresses: Array, n_matrices: int) -> Array:
    """Of each thread's element, (matrices, threads); lanes 8 i … have the rows of matrix i."""
    by_warp = addresses.reshape(-1, WARP)
    rows = [by_warp[:, 8 * i + _LANE // 4] for i in range(n_matrices)]
    return np.stack([(row + 4 * (_LANE % 4)).ravel() for row in rows])


def _count_rows(blocks: Blocks, addresses: Array, n_matrices: int) -> None:
    giving = np.isin(_LANE // 8, range(n_matrices))
    blocks.count_wavefronts(addresses, 16, np.tile(giving, blocks.n_warps))


def _factor(blocks: Blocks, operand: str) -> Array:
    """A factor's registers, (elements, threads)."""
    return _round_to_tf32(blocks, blocks.read_all(names_of(operand), _F32))


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


def _read_rows(blocks: Blocks, operand: str, first_thread: int, n_rows: int) -> Array:
    """Rows of 8 numbers whose descriptor a warpgroup has, (rows, 8) float64.

    Bits 0-13 of a descriptor: where it starts, 32-45: from 8 rows to the next 8, both in 16 bytes;
    62-63: swizzling mode.
    """
    group = blocks.read(operand, _U64)[first_thread : first_thread + _WARPGROUP]
    descriptor = int(group[0])
    if not (group == group[0]).all() or descriptor >> 49 & 7 or descriptor >> 62 not in _SWIZZLES:
        raise NotImplementedError(f"descriptors {sorted({hex(one) for one in group})}")
    start, stride = (descriptor & 0x3FFF) << 4, (descriptor >> 32 & 0x3FFF) << 4
    row_bytes, bits = _SWIZZLES[descriptor >> 62]
    row, column = np.arange(n_rows)[:, None], np.arange(8)
    at = start + row // 8 * stride + row % 8 * row_bytes + 4 * column
    at ^= (at >> 7 & bits) << 4
    block = np.full(at.size, blocks.block_of[first_thread])
    values = blocks.shared.load(block, at.ravel(), _F32, 1).reshape(n_rows, 8)
    return _round_to_tf32(blocks, values).astype(np.float64)


#: All threads of a block have to be together.
TENSOR_CORES: dict[str, Operation] = {
    "mma.m16n8k8.row.col": multiply,
    **{f"wgmma.mma_async.m64n{n}k8": multiply_by_warpgroups for n in range(8, 257, 8)},
    **{f"ldmatrix.m8n8.x{n}.shared": load_matrices for n in (1, 2, 4)},
    **{f"stmatrix.m8n8.x{n}.shared": store_matrices for n in (1, 2, 4)},
}
