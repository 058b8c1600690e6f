"""Runs of bytes with an address: blocks' shared memories, and the tensors that a launch passes."""

import ctypes
from bisect import bisect_right
from collections.abc import Iterable

import numpy as np
from torch import Tensor

from tests.ptx.program import Array, Kind


class Memory:
    """A run of bytes; what is not wholly inside of it, or not aligned, raises."""

    def __init__(self, start: int, content: Array) -> None:
        self.start, self.content = start, content

    def load(
        self,
        addresses: Array,  # (n,)
        kind: Kind,
        n_elements: int,
    ) -> Array:
        """(n, elements)"""
        return self._elements(kind)[self._indices(addresses, kind, n_elements)]

    def store(
        self,
        addresses: Array,  # (n,)
        values: Array,  # (n, elements)
    ) -> None:
        at = self._indices(addresses, values.dtype, values.shape[1])
        self._elements(values.dtype)[at] = values

    def _elements(self, kind: Kind) -> Array:
        whole = len(self.content) // kind.itemsize * kind.itemsize
        return self.content[:whole].view(kind)

    def _indices(self, addresses: Array, kind: Kind, n_elements: int) -> Array:
        """Of elements: (n, elements)."""
        offsets = addresses - self.start
        _check(offsets, addresses, kind.itemsize * n_elements, len(self.content))
        first: Array = (offsets >> kind.itemsize.bit_length() - 1)[:, None]
        return first if n_elements == 1 else first + np.arange(n_elements)


class SharedMemory:
    """The memories of several blocks, each at address 0; what was never written yet is NaN."""

    def __init__(self, n_bytes: int, n_blocks: int) -> None:
        self._n_bytes = n_bytes
        #: Of a block in ``_all``: a multiple of every access.
        self._stride = -(-n_bytes // 16) * 16
        self._all = Memory(0, np.full(n_blocks * self._stride, 0xFF, np.uint8))

    def load(
        self,
        blocks: Array,  # (n,)
        addresses: Array,  # (n,)
        kind: Kind,
        n_elements: int,
    ) -> Array:
        """(n, elements)"""
        return self._all.load(
            self._address(blocks, addresses, kind.itemsize * n_elements), kind, n_elements
        )

    def store(
        self,
        blocks: Array,  # (n,)
        addresses: Array,  # (n,)
        values: Array,  # (n, elements)
    ) -> None:
        n_bytes = values.dtype.itemsize * values.shape[1]
        self._all.store(self._address(blocks, addresses, n_bytes), values)

    def _address(self, blocks: Array, addresses: Array, n_bytes: int) -> Array:
        _check(addresses, addresses, n_bytes, self._n_bytes)
        return blocks * self._stride + addresses


def _check(offsets: Array, addresses: Array, n_bytes: int, size: int) -> None:
    if offsets.min() < 0 or offsets.max() + n_bytes > size:
        raise IndexError(f"bytes {offsets.min()} to {offsets.max() + n_bytes} of {size}")
    if (addresses & n_bytes - 1).any():  # a power of 2, and much quicker than a remainder
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
