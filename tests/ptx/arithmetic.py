"""Instructions that compute each thread's register from its others.

Source: PTX ISA, "Integer Arithmetic Instructions" and the sections after it. Of float32 fma is
computed in float64, so it rounds once as on the card, but for rare cases; of float64, twice.
"""

from collections.abc import Callable

import numpy as np

from tests.ptx.block import Blocks, Operation, Threads
from tests.ptx.program import KINDS, Array, Instruction, Kind

Function = Callable[..., Array]

_U32, _PRED = KINDS["u32"], KINDS["pred"]


def same(function: Function) -> Operation:
    """Operands and result are of the one type that the instruction names."""

    def operation(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
        target, *sources = instruction.operands
        (kind,) = instruction.kinds
        values = function(*[blocks.read(one, kind, threads) for one in sources])
        blocks.write(target, values, threads)

    return operation


def mix_kinds(kinds_of: Callable[[Kind], list[Kind]], function: Function) -> Operation:
    """Operands of types that follow from the last one that the instruction names."""

    def operation(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
        target, *sources = instruction.operands
        pairs = zip(sources, kinds_of(instruction.kinds[-1]), strict=True)
        values = function(*[blocks.read(one, kind, threads) for one, kind in pairs])
        blocks.write(target, values, threads)

    return operation


def convert_between(function: Function) -> Operation:
    """Of two types: to, from."""

    def operation(blocks: Blocks, instruction: Instruction, threads: Threads) -> None:
        (target, source), (to, of) = instruction.operands, instruction.kinds
        blocks.write(target, function(blocks.read(source, of, threads)).astype(to), threads)

    return operation


def _double(kind: Kind) -> Kind:
    return np.dtype(f"{kind.kind}{2 * kind.itemsize}")


def _fma(x: Array, y: Array, z: Array) -> Array:
    wide: Array = np.multiply(x, y, dtype=np.float64)
    wide += z
    return wide.astype(x.dtype)


def _wide_product(x: Array, y: Array) -> Array:
    wide = _double(x.dtype)
    product: Array = x.astype(wide) * y.astype(wide)
    return product


def _shift(shift: Function) -> Function:
    """By more than all bits is by all of them."""

    def shift_bits(x: Array, amount: Array) -> Array:
        bits = 8 * x.dtype.itemsize
        almost = shift(x, np.minimum(amount, bits - 1).astype(x.dtype))
        return np.where(amount < bits, almost, shift(almost, x.dtype.type(1)))

    return shift_bits


def _bit_field(x: Array, position: Array, length: Array) -> Array:
    """``length`` bits from ``position`` on; of a signed type the highest of them is the sign."""
    low, count = position.astype(np.int64) & 255, length.astype(np.int64) & 255
    field = (x.astype(np.int64) >> low) & ((1 << count) - 1)
    negative = (x.dtype.kind == "i") & (count > 0) & (field >> np.maximum(count - 1, 0) & 1 == 1)
    return np.where(negative, field - (1 << count), field).astype(x.dtype)


def _permute(low: Array, high: Array, selector: Array) -> Array:
    """Four bytes of eight, each chosen by three bits; a fourth asks for the byte's sign instead."""
    eight = np.stack([low, high], axis=1).view(np.uint8)
    choice = (selector[:, None] >> np.arange(0, 16, 4, dtype=np.uint32)) & 15
    chosen = np.take_along_axis(eight, (choice & 7).astype(np.intp), axis=1)
    chosen = np.where(choice & 8, (chosen >> 7) * np.uint8(255), chosen)
    return np.ascontiguousarray(chosen).view(np.uint32)[:, 0]


def _select(x: Array, y: Array, first: Array) -> Array:
    return np.where(first, x, y)


def _leading_zeros(x: Array) -> Array:
    bits = 8 * x.dtype.itemsize
    if bits > 32:
        return np.array([bits - int(value).bit_length() for value in x], np.uint32)
    _, lengths = np.frexp(x.astype(np.float64))
    return (bits - lengths).astype(np.uint32)


def _set(compare: Function) -> Operation:
    return mix_kinds(lambda kind: [kind, kind], compare)


#: Comparisons that are false where an operand is NaN, and their opposites, then true.
_ORDERED: dict[str, Function] = {
    "eq": np.equal,
    "ne": lambda x, y: (x < y) | (x > y),
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_UNORDERED: dict[str, Function] = {
    "equ": lambda x, y: ~_ORDERED["ne"](x, y),
    "neu": np.not_equal,
    "ltu": lambda x, y: ~(x >= y),
    "leu": lambda x, y: ~(x > y),
    "gtu": lambda x, y: ~(x <= y),
    "geu": lambda x, y: ~(x < y),
}

ARITHMETIC: dict[str, Operation] = {
    "add": same(np.add),
    "sub": same(np.subtract),
    "mul": same(np.multiply),
    "mul.lo": same(np.multiply),
    "mul.wide": mix_kinds(lambda kind: [kind, kind], _wide_product),
    "mad.lo": same(lambda x, y, z: x * y + z),
    "mad.wide": mix_kinds(
        lambda kind: [kind, kind, _double(kind)], lambda x, y, z: _wide_product(x, y) + z
    ),
    "fma": same(_fma),
    "div": same(np.divide),
    "rcp": same(np.reciprocal),
    "sqrt": same(np.sqrt),
    "ex2": same(np.exp2),
    "lg2": same(np.log2),
    "neg": same(np.negative),
    "abs": same(np.abs),
    # Of a number and NaN the number.
    "min": same(np.fmin),
    "max": same(np.fmax),
    "and": same(np.bitwise_and),
    "or": same(np.bitwise_or),
    "xor": same(np.bitwise_xor),
    "not": same(np.invert),
    "shl": mix_kinds(lambda kind: [kind, _U32], _shift(np.left_shift)),
    "shr": mix_kinds(lambda kind: [kind, _U32], _shift(np.right_shift)),
    "bfe": mix_kinds(lambda kind: [kind, _U32, _U32], _bit_field),
    "prmt": same(_permute),
    "popc": mix_kinds(lambda kind: [kind], np.bitwise_count),
    "clz": mix_kinds(lambda kind: [kind], _leading_zeros),
    "selp": mix_kinds(lambda kind: [kind, kind, _PRED], _select),
    "cvt": convert_between(lambda x: x),
    "cvt.rni": convert_between(np.rint),
    **{f"setp.{name}": _set(compare) for name, compare in (_ORDERED | _UNORDERED).items()},
}
