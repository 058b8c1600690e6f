"""Runs of bytes with an address: blocks' shared memories, and the tensors that a launch passes."""

import ctypes
from bisect import bisect_right
from collections.abc import Iterable

import numpy as np
from torch import Tensor

from tests.ptx.program import Array, Kind

#: The largest access; the size of every access is a power of 2.
_MOST_BYTES = 16


class Memory:
    """A run of bytes; what is not wholly inside of it, or not aligned, raises."""

    def __init__(self, start: int, content: Array) -> None:
        if start % _MOST_BYTES:
            raise NotImplementedError(
                f"memory that begins at {start}: its accesses are not aligned"
            )
        self.start, self.content = start, content

    def load(
        self,
        addresses: Array,  # (n,)
        kind: Kind,
        n_elements: int,
    ) -> Array:
        """(n, elements)"""
        return _rows(self.content, kind, n_elements)[
            self._numbers(addresses, kind.itemsize * n_elements)
        ]

    def store(
        self,
        addresses: Array,  # (n,)
        values: Array,  # (n, elements)
    ) -> None:
        n_elements = values.shape[1]
        at = self._numbers(addresses, values.dtype.itemsize * n_elements)
        _rows(self.content, values.dtype, n_elements)[at] = values

    def _numbers(self, addresses: Array, n_bytes: int) -> Array:
        """Numbers (n,) of the rows of ``n_bytes`` at these addresses."""
        offsets = addresses - self.start
        _check(offsets, n_bytes, len(self.content))
        numbers: Array = offsets >> n_bytes.bit_length() - 1
        return numbers


class SharedMemory:
    """The memories of several blocks, each at address 0; what was never written yet is NaN."""

    def __init__(self, n_bytes: int, n_blocks: int) -> None:
        self._n_bytes = n_bytes
        #: Bytes of a block in ``_all``.
        self._stride = -(-n_bytes // _MOST_BYTES) * _MOST_BYTES
        self._all = np.full(n_blocks * self._stride, 0xFF, np.uint8)

    def load(
        self,
        blocks: Array,  # (n,)
        addresses: Array,  # (n,)
        kind: Kind,
        n_elements: int,
    ) -> Array:
        """(n, elements)"""
        numbers = self._numbers(blocks, addresses, kind.itemsize * n_elements)
        return _rows(self._all, kind, n_elements)[numbers]

    def store(
        self,
        blocks: Array,  # (n,)
        addresses: Array,  # (n,)
        values: Array,  # (n, elements)
    ) -> None:
        n_elements = values.shape[1]
        numbers = self._numbers(blocks, addresses, values.dtype.itemsize * n_elements)
        _rows(self._all, values.dtype, n_elements)[numbers] = values

    def _numbers(self, blocks: Array, addresses: Array, n_bytes: int) -> Array:
        """Numbers (n,) of the rows of ``n_bytes``, counted through all memories."""
        _check(addresses, n_bytes, self._n_bytes)
        return (blocks * self._stride + addresses) >> n_bytes.bit_length() - 1


def _rows(content: Array, kind: Kind, n_elements: int) -> Array:
    """All that an aligned access may reach, (rows, elements)."""
    n_bytes = kind.itemsize * n_elements
    whole = len(content) // n_bytes * n_bytes
    return content[:whole].view(kind).reshape(-1, n_elements)


def _check(offsets: Array, n_bytes: int, size: int) -> None:
    lowest, highest = int(offsets.min()), int(offsets.max())
    if lowest < 0 or highest + n_bytes > size:
        raise IndexError(f"bytes {lowest} to {highest + n_bytes} of {size}")
    if np.bitwise_or.reduce(offsets) & n_bytes - 1:
        raise IndexError(f"an address is no multiple of the {n_bytes} bytes that are accessed")


class DeviceMemory:
    """Global memory: whole tensors and constants, under the addresses that they have here."""

    def __init__(self, tensors: Iterable[Tensor], constants: Iterable[Array]) -> None:
        runs = [_run_of(tensor) for tensor in tensors]
        runs += [Memory(constant.ctypes.data, constant) for constant in constants]
        self._runs = sorted(runs, key=lambda run: run.start)
        self._starts = [run.start for run in self._runs]

    def of(self, address: int) -> Memory:
        """What an address is in, or comes after."""
        return self._runs[bisect_right(self._starts, address) - 1]


def _run_of(tensor: Tensor) -> Memory:
    storage = tensor.untyped_storage()
    view = (ctypes.c_uint8 * storage.nbytes()).from_address(storage.data_ptr())
    return Memory(storage.data_ptr(), np.ctypeslib.as_array(view))
