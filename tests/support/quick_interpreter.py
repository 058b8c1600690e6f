"""Triton's interpreter, some six times as fast and with tf32 products: call ``quicken()`` first.

It computes the same numbers. What is left out: preparing the language again at every launch,
looking for int32 overflows (at these sizes there are none), building the same types and shapes
again for every value, and comparing shapes number by number. Operators on blocks of one type, or on
a block and a number, are numpy's; about everything else Triton's own rules decide.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from triton import language
from triton.language import core, semantic
from triton.runtime import interpreter


@cache
def quicken() -> None:
    """Make the interpreter of this process quicker."""
    function, builder = interpreter.InterpretedFunction, interpreter.InterpreterBuilder
    function.__call__ = _prepared_once(function.__call__)
    builder.create_dot = _with_tf32(builder.create_dot)
    object.__setattr__(interpreter.interpreter_builder.options, "sanitize_overflow", False)
    interpreter._get_np_dtype = _numpy_types(interpreter._get_np_dtype)
    core.block_type.__init__ = _built_once(core.block_type.__init__)
    core.tensor.__init__ = _init_tensor
    core._unwrap_if_constexpr = _unwrap
    semantic.TritonSemantic.broadcast_impl_value = _broadcast(
        semantic.TritonSemantic.broadcast_impl_value
    )
    interpreter.TensorHandle.__init__ = _init_handle
    core.tensor.shape, core.tensor.numel = _ShapeOnce("shape"), _ShapeOnce("numel")
    for name, operator in OPERATORS.items():
        setattr(core.tensor, name, _quick_operator(getattr(core.tensor, name), operator))
    core.tensor.__getitem__ = _with_new_axes(core.tensor.__getitem__)
    rules = semantic.TritonSemantic
    rules.load, rules.where = _quick_load(rules.load), _quick_where(rules.where)
    rules.store, rules.cast = _quick_store(rules.store), _quick_cast(rules.cast)
    rules.to_tensor = _as_it_is(rules.to_tensor)
    for place in (language, core, language.math, core.tensor):
        for name, member in list(vars(place).items()):
            if core.is_builtin(member) and hasattr(member, "__wrapped__"):
                setattr(place, name, _of_interpreter(member))


def _of_interpreter(builtin: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the language as kernels call it, which Triton binds at every launch."""
    function = builtin.__wrapped__  # type: ignore[attr-defined]

    def bound(*args: Any, **kwargs: Any) -> Any:
        kwargs["_semantic"] = _SEMANTIC
        return function(*args, **kwargs)

    return bound


def _init_handle(self: Any, data: NDArray[Any], dtype: Any) -> None:
    self.data, self.dtype, self.attr = data, dtype, {}


def _prepared_once(call: Callable[..., Any]) -> Callable[..., Any]:
    prepared = set()

    def quick(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.fn in prepared:
            return self.rewrite()(*args, **kwargs)
        prepared.add(self.fn)
        return call(self, *args, **kwargs)

    return quick


def _with_tf32(create_dot: Callable[..., Any]) -> Callable[..., Any]:
    """The interpreter multiplies in float32, whatever the precision asked for."""

    def dot(self: Any, a: Any, b: Any, d: Any, precision: Any, inexact: int) -> Any:
        if str(precision).endswith("TF32"):
            a, b = (interpreter.TensorHandle(_round_to_tf32(one.data), one.dtype) for one in (a, b))
        return create_dot(self, a, b, d, precision, inexact)

    return dot


def _round_to_tf32(factor: NDArray[np.float32]) -> NDArray[np.float32]:
    """To the 10 bits of a fraction that a GPU's tf32 products use."""
    bits = np.ascontiguousarray(factor).view(np.uint32) & np.uint32(0xFFFFE000)
    return bits.view(np.float32)


def _numpy_types(of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    known: dict[str, Any] = {}

    def quick(kind: Any) -> Any:
        scalar = kind.scalar
        if scalar.is_ptr():
            return of(scalar)
        if scalar.name not in known:
            known[scalar.name] = of(scalar)
        return known[scalar.name]

    return quick


def _built_once(init: Callable[..., None]) -> Callable[..., None]:
    built: dict[tuple[Any, ...], dict[str, Any]] = {}

    def quick(self: Any, element_ty: Any, shape: Any) -> None:
        key = (element_ty.name, *(core._unwrap_if_constexpr(n) for n in shape))
        if key not in built:
            init(self, element_ty, shape)
            built[key] = self.__dict__ | {"sizes": key[1:]}
        self.__dict__.update(built[key])

    return quick


def _broadcast(full: Callable[..., Any]) -> Callable[..., Any]:
    """Only of two blocks of one rank: most have the same shape."""

    def quick(self: Any, *values: Any) -> Any:
        sizes = [getattr(value.type, "sizes", ()) for value in values]
        if sizes[0] == sizes[1]:
            return values
        if len(sizes[0]) != len(sizes[1]):
            return full(self, *values)
        shape = np.broadcast_shapes(*sizes)
        return tuple(
            value if of == shape else _of_shape(self, value, shape)
            for value, of in zip(values, sizes, strict=True)
        )

    return quick


def _of_shape(semantic: Any, value: Any, shape: tuple[int, ...]) -> Any:
    handle = semantic.builder.create_broadcast(value.handle, shape)
    return semantic.tensor(handle, core.block_type(value.type.scalar, list(shape)))


def _unwrap(one: Any, unwrap: Callable[[Any], Any] = core._unwrap_if_constexpr) -> Any:
    if type(one) is core.constexpr:
        return one.value
    return unwrap(one) if isinstance(one, list | tuple | core.tuple) else one


def _init_tensor(self: Any, handle: Any, type: Any) -> None:
    self.handle, self.type, self.dtype = handle, type, type.scalar


class _ShapeOnce(NamedTuple):
    """A tensor's shape or number of elements, made when it is asked for."""

    name: str

    def __get__(self, tensor: Any, _: Any) -> Any:
        return _shape_of(getattr(tensor.type, "sizes", ()))[self.name]


@cache
def _shape_of(sizes: tuple[int, ...]) -> dict[str, Any]:
    shape = core.tuple([core.constexpr(n) for n in sizes])
    return {"shape": shape, "numel": core.constexpr(int(np.prod(sizes)))}


class _Operator(NamedTuple):
    """What numpy computes, and of what types."""

    compute: Callable[..., NDArray[Any]]
    kinds: frozenset[str]
    compares: bool = False
    #: Whether it is called for its second operand.
    swapped: bool = False


_NUMBERS = frozenset({"fp32", "fp64", "int32", "int64"})
_INTEGERS = frozenset({"int32", "int64"})

OPERATORS = {
    "__add__": _Operator(np.add, _NUMBERS),
    "__radd__": _Operator(np.add, _NUMBERS, swapped=True),
    "__sub__": _Operator(np.subtract, _NUMBERS),
    "__rsub__": _Operator(np.subtract, _NUMBERS, swapped=True),
    "__mul__": _Operator(np.multiply, _NUMBERS),
    "__rmul__": _Operator(np.multiply, _NUMBERS, swapped=True),
    "__truediv__": _Operator(np.divide, frozenset({"fp32", "fp64"})),
    "__rtruediv__": _Operator(np.divide, frozenset({"fp32", "fp64"}), swapped=True),
    "__and__": _Operator(np.bitwise_and, frozenset({"int1", "int32"})),
    "__or__": _Operator(np.bitwise_or, frozenset({"int1", "int32"})),
    "__lt__": _Operator(np.less, _NUMBERS, compares=True),
    "__le__": _Operator(np.less_equal, _NUMBERS, compares=True),
    "__gt__": _Operator(np.greater, _NUMBERS, compares=True),
    "__ge__": _Operator(np.greater_equal, _NUMBERS, compares=True),
    "__eq__": _Operator(np.equal, _NUMBERS, compares=True),
    "__ne__": _Operator(np.not_equal, _NUMBERS, compares=True),
}


def _quick_operator(full: Callable[..., Any], operator: _Operator) -> Callable[..., Any]:
    compute, kinds, compares, swapped = operator

    def quick(self: Any, other: Any) -> Any:
        if type(other) is core.constexpr:
            other = other.value
        kind, result = self.dtype.name, self.dtype
        if compute is np.add and type(self.dtype) is core.pointer_type:
            moved = _move(self, other)
            return full(self, other, _semantic=_SEMANTIC) if moved is None else moved
        if type(other) is core.tensor:
            if kind in kinds and other.dtype.name == kind:
                number = other.handle.data
            elif {kind, other.dtype.name} == _INTEGERS <= kinds:
                number, result = other.handle.data, core.int64
            else:
                return full(self, other, _semantic=_SEMANTIC)
        elif kind not in kinds or (number := _number(other, kind)) is None:
            return full(self, other, _semantic=_SEMANTIC)
        data = self.handle.data
        data = compute(number, data) if swapped else compute(data, number)
        return _tensor(data, core.int1 if compares else result, self, other)

    return quick


_SEMANTIC = interpreter.interpreter_semantic


@lru_cache(maxsize=4096, typed=True)
def _number(number: Any, kind: str) -> Any:
    """A number as that type has it, 0 for -0; None if Triton would take another type."""
    if type(number) is float and kind == "fp32":
        if number == 0:
            return np.float32(0)
        return np.float32(number) if 2**-126 <= abs(number) < 3.4e38 else None
    if type(number) is not int or kind in ("int1", "fp64"):
        return None
    if kind == "fp32":
        return np.float32(number)
    return getattr(np, kind)(number) if -(2**31) <= number < 2**31 else None


def _move(pointer: Any, offset: Any) -> Any:
    """Pointer and offset added; None where Triton has rules of its own."""
    if type(offset) is core.tensor and offset.dtype.name in ("int32", "int64"):
        n_items = offset.handle.data.astype(np.uint64)
    elif type(offset) is int and 0 <= offset < 2**31:
        n_items = np.uint64(offset)
    else:
        return None
    n_bytes = max(1, pointer.dtype.element_ty.primitive_bitwidth // 8)
    return _tensor(pointer.handle.data + n_bytes * n_items, pointer.dtype, pointer, offset)


def _tensor(data: NDArray[Any], kind: Any, *of: Any) -> Any:
    """A tensor of that type; a block if any of what it was computed of is one."""
    handle = interpreter.TensorHandle(data, kind)
    for one in of:
        if type(one) is core.tensor and type(one.type) is core.block_type:
            key = (kind.name, data.shape)
            if key not in _BLOCKS:
                _BLOCKS[key] = core.block_type(kind, list(data.shape))
            return core.tensor(handle, _BLOCKS[key])
    return core.tensor(handle, kind)


def _is_block(one: Any) -> bool:
    return type(one) is core.tensor and type(one.type) is core.block_type


_BLOCKS: dict[tuple[str, tuple[int, ...]], Any] = {}


def _quick_load(full: Callable[..., Any]) -> Callable[..., Any]:
    def quick(self: Any, pointer: Any, mask: Any, other: Any, *options: Any) -> Any:
        element = getattr(pointer.dtype, "element_ty", None)
        plain = element is not None and element.name in _LOADED and not any(options[:2])
        others = [one for one in (mask, other) if one is not None]
        fits = _is_block(pointer) or not any(map(_is_block, others))
        if not (plain and fits) or (mask is None and other is not None):
            return full(self, pointer, mask, other, *options)
        kind, at = interpreter._get_np_dtype(element), pointer.handle.data
        if mask is None:
            mask, masks = _constant_array(at.shape, True, bool), ()
        elif type(mask) is core.tensor and mask.dtype.name == "int1":
            masks, mask = (mask,), mask.handle.data
            if at.shape != mask.shape:
                at, mask = np.broadcast_arrays(at, mask)
        else:
            return full(self, pointer, mask, other, *options)
        if other is None:
            masked = _constant_array(at.shape, 0, kind)
        else:
            masked = np.broadcast_to(other.handle.data.astype(kind), at.shape)
        values = interpreter._interpreter.load(at, mask, masked, kind)
        return _tensor(values, element, pointer, *masks)

    return quick


@cache
def _constant_array(shape: tuple[int, ...], value: int, kind: Any) -> NDArray[Any]:
    """An array that is only read."""
    return np.full(shape, value, kind)


def _quick_store(full: Callable[..., Any]) -> Callable[..., Any]:
    """Blocks of one shape, of what the pointers lead to."""

    def quick(self: Any, pointer: Any, value: Any, mask: Any, *options: Any) -> Any:
        element = getattr(pointer.dtype, "element_ty", None)
        at, masks = pointer.handle.data, None if mask is None else mask.handle.data
        if (
            any(options[:1])
            or element is None
            or element.name not in _NUMBERS
            or value.dtype.name != element.name
            or not (_is_block(pointer) and _is_block(value))
            or at.shape != value.handle.data.shape
            or (mask is not None and (mask.dtype.name != "int1" or masks.shape != at.shape))
        ):
            return full(self, pointer, value, mask, *options)
        if masks is None:
            masks = _constant_array(at.shape, True, bool)
        interpreter._interpreter.store(at, value.handle.data, masks)
        return None

    return quick


def _quick_cast(full: Callable[..., Any]) -> Callable[..., Any]:
    def quick(self: Any, value: Any, kind: Any, *rounding: Any) -> Any:
        of, to = value.dtype, kind.scalar
        if of.name == to.name and of.name in _CASTS:
            return value
        if to.name not in _CASTS.get(of.name, ()) or any(rounding):
            return full(self, value, kind, *rounding)
        return _tensor(value.handle.data.astype(interpreter._get_np_dtype(to)), to, value)

    return quick


#: What our kernels convert, and to what.
_CASTS = {
    "int1": {"int32"},
    "uint8": {"int32", "fp32"},
    "int32": {"int64", "fp32", "fp64"},
    "int64": {"fp64"},
    "fp32": {"fp64"},
    "fp64": {"fp32"},
}

#: What our kernels load.
_LOADED = frozenset({"fp32", "int32", "int64", "uint8"})


def _quick_where(full: Callable[..., Any]) -> Callable[..., Any]:
    def quick(self: Any, condition: Any, x: Any, y: Any) -> Any:
        kinds = {one.dtype.name: one.dtype for one in (x, y) if type(one) is core.tensor}
        name, kind = kinds.popitem() if len(kinds) == 1 else ("", None)
        if name in _NUMBERS and condition.dtype.name == "int1":
            values = [
                one.handle.data if type(one) is core.tensor else _number(one, name)
                for one in (x, y)
            ]
            if all(one is not None for one in values):
                data = np.where(condition.handle.data, *values)
                return _tensor(data, kind, condition, x, y)
        return full(self, condition, x, y)

    return quick


def _as_it_is(full: Callable[..., Any]) -> Callable[..., Any]:
    def quick(self: Any, value: Any, check_type: bool = True) -> Any:
        return value if type(value) is core.tensor else full(self, value, check_type)

    return quick


def _with_new_axes(full: Callable[..., Any]) -> Callable[..., Any]:
    """``x[:, None]`` and the like."""

    def quick(self: Any, slices: Any) -> Any:
        if type(slices) is tuple and all(one is None or one == _ALL for one in slices):
            return _tensor(self.handle.data[slices], self.dtype, self)
        return full(self, slices, _semantic=_SEMANTIC)

    return quick


_ALL = slice(None)
