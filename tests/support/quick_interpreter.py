"""Triton's interpreter, twice as fast and with tf32 products: ``quicken()`` before kernels run.

It computes the same numbers. What is left out: preparing a helper's module again at every call,
looking for int32 overflows (at these sizes there are none), building the same types and shapes
again for every value, and comparing shapes number by number.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from triton.language import core, semantic
from triton.runtime import interpreter


def quicken() -> None:
    """Once a process."""
    function, builder = interpreter.InterpretedFunction, interpreter.InterpreterBuilder
    function.__call__ = _prepared_once(function.__call__)
    builder.create_dot = _with_tf32(builder.create_dot)
    object.__setattr__(interpreter.interpreter_builder.options, "sanitize_overflow", False)
    interpreter._get_np_dtype = _numpy_types(interpreter._get_np_dtype)
    core.block_type.__init__ = _built_once(core.block_type.__init__)
    core.tensor.__init__ = _shaped_once
    core._unwrap_if_constexpr = _unwrapped
    semantic.TritonSemantic.broadcast_impl_value = _broadcast(
        semantic.TritonSemantic.broadcast_impl_value
    )


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
            a, b = (interpreter.TensorHandle(_cut(one.data), one.dtype) for one in (a, b))
        return create_dot(self, a, b, d, precision, inexact)

    return dot


def _cut(factor: NDArray[np.float32]) -> NDArray[np.float32]:
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


def _unwrapped(one: Any, unwrap: Callable[[Any], Any] = core._unwrap_if_constexpr) -> Any:
    if type(one) is core.constexpr:
        return one.value
    return unwrap(one) if isinstance(one, list | tuple | core.tuple) else one


_SHAPES: dict[tuple[int, ...], tuple[Any, Any]] = {(): (core.tuple([]), core.constexpr(1))}


def _shaped_once(self: Any, handle: Any, type: Any) -> None:
    self.handle, self.type, self.dtype = handle, type, type.scalar
    sizes = tuple(type.shape) if type.is_block() else ()
    if sizes not in _SHAPES:
        shape = core.tuple([core.constexpr(n) for n in sizes])
        _SHAPES[sizes] = shape, core.constexpr(int(np.prod(sizes)))
    self.shape, self.numel = _SHAPES[sizes]
