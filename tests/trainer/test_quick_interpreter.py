"""The tests' quicker interpreter computes what Triton's own does, in the same types."""

from collections.abc import Callable, Iterator
from inspect import getclosurevars
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from triton import language as tl
from triton.language import core, semantic
from triton.runtime import interpreter

from tests.support import fused_factories  # which makes the interpreter quicker
from tests.support.quick_interpreter import OPERATORS

assert fused_factories.INTERPRETED

Result = tuple[str, str, tuple[int, ...], bytes] | type[Exception]

_SEMANTIC = interpreter.interpreter_semantic
_VALUES = [-3, 0, 2, 7]


@pytest.fixture(autouse=True)
def _as_in_a_kernel() -> Iterator[None]:
    scope = interpreter._patch_lang(_as_in_a_kernel_fixture)
    yield
    scope.restore()


def _as_in_a_kernel_fixture() -> None:
    """Its module has Triton's language."""


def tensor(values: Any, kind: core.dtype) -> core.tensor:
    data = np.array(values, interpreter._get_np_dtype(kind))
    shape = list(data.shape)
    handle = interpreter.TensorHandle(data if shape else data[None], kind)
    return core.tensor(handle, core.block_type(kind, shape) if shape else kind)


def operands(kind: core.dtype) -> list[core.tensor]:
    """A row, a column, a matrix and a scalar."""
    matrix = np.array([_VALUES, _VALUES[::-1]])
    return [tensor(values, kind) for values in (matrix[:1], matrix.T[:, :1], matrix, 3)]


def result(call: Callable[..., Any], *args: Any) -> Result:
    with np.errstate(all="ignore"):
        try:
            found = call(*args)
        except Exception as error:
            return type(error)
    data: NDArray[Any] = found.handle.data
    return str(found.type), data.dtype.name, data.shape, data.tobytes()


def own(quick: Callable[..., Any]) -> Callable[..., Any]:
    """Triton's own version of what was made quicker."""
    full: Callable[..., Any] = getclosurevars(quick).nonlocals["full"]
    return full


KINDS = [tl.float32, tl.float64, tl.int32, tl.int64, tl.int1, tl.uint8, tl.float16]
NUMBERS = [2, -3, 0, 0.5, -0.0, 1e-40, 1e300, float("inf"), True, 2**31, tl.constexpr(4)]


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_give_what_triton_gives(name: str) -> None:
    quick, n_results = getattr(core.tensor, name), 0
    for kind in KINDS:
        others = [one for of in KINDS for one in operands(of)] + NUMBERS
        for one, other in product(operands(kind), others):
            expected = result(lambda a, b: own(quick)(a, b, _semantic=_SEMANTIC), one, other)
            assert result(quick, one, other) == expected, (kind, one.type, other)
            n_results += isinstance(expected, tuple)
    assert n_results > 20


def pointers(content: NDArray[Any], kind: core.dtype) -> tuple[core.tensor, core.tensor]:
    """To its start, and to each of its elements."""
    start = tensor(content.ctypes.data, core.pointer_type(kind))
    n = np.arange(content.size).reshape(content.shape)
    return start, start + tensor(n, tl.int32)


@pytest.mark.parametrize("kind", [tl.float32, tl.int32, tl.uint8, tl.float16])
def test_loads_give_what_triton_gives(kind: core.dtype) -> None:
    content = np.arange(8).astype(interpreter._get_np_dtype(kind)).reshape(2, 4)
    one, all_of_them = pointers(content, kind)
    quick = semantic.TritonSemantic.load
    rest = ((), "", "", "", False)
    row, column = tensor([[True, False, True, True]], tl.int1), tensor([[True], [False]], tl.int1)
    for pointer, mask, other in product(
        [one, one + 3, all_of_them],
        [None, tensor(False, tl.int1), row, column],
        [None, tensor(5, tl.int32), tensor(0.5, tl.float32)],
    ):
        given = (_SEMANTIC, pointer, mask, other, *rest)
        expected = result(own(quick), *given)
        assert result(quick, *given) == expected, (pointer.type, mask, other)


@pytest.mark.parametrize("kind", [tl.float32, tl.int32, tl.uint8, tl.float16])
def test_stores_write_what_triton_writes(kind: core.dtype) -> None:
    content = np.zeros((2, 4), interpreter._get_np_dtype(kind))
    one, all_of_them = pointers(content, kind)
    quick = semantic.TritonSemantic.store
    row, whole = tensor([[True, False, True, True]], tl.int1), np.arange(8).reshape(2, 4)

    def written(store: Callable[..., Any], *args: Any) -> Any:
        content.fill(0)
        try:
            store(_SEMANTIC, *args, (), "", "")
        except Exception as error:
            return type(error)
        return content.tobytes()

    for pointer, of, mask in product(
        [one, one + 3, all_of_them],
        KINDS,
        [None, tensor(True, tl.int1), row, tensor(whole % 3 == 0, tl.int1)],
    ):
        for value in (*operands(of), tensor(whole, of)):
            given = (pointer, value, mask)
            assert written(quick, *given) == written(own(quick), *given), (pointer.type, value)


def test_conversions_give_what_triton_gives() -> None:
    quick = semantic.TritonSemantic.cast
    for of, to in product(KINDS, KINDS):
        for one in operands(of):
            given = (_SEMANTIC, one, to)
            assert result(quick, *given) == result(own(quick), *given), (one.type, to)


def test_choices_give_what_triton_gives() -> None:
    quick = semantic.TritonSemantic.where
    conditions = [tensor([[True], [False]], tl.int1), tensor(True, tl.int1)]
    values = [one for kind in KINDS for one in operands(kind)] + NUMBERS[:-1]
    for condition, x, y in product(conditions, values, values):
        given = (_SEMANTIC, condition, x, y)
        assert result(quick, *given) == result(own(quick), *given), (condition, x, y)


def test_new_axes_are_where_triton_has_them() -> None:
    quick, row, every = core.tensor.__getitem__, tensor(_VALUES, tl.float32), slice(None)
    for slices in [(None, every), (every, None), (every, None, None), None, (0,), every]:
        expected = result(lambda a, b: own(quick)(a, b, _semantic=_SEMANTIC), row, slices)
        assert result(quick, row, slices) == expected, slices
