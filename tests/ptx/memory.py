"""Runs of bytes with an address: a block's shared memory, and the tensors that a launch passes."""

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
        offsets, n_bytes = addresses - self.start, kind.itemsize * n_elements
        if offsets.min() < 0 or offsets.max() + n_bytes > len(self.content):
            raise IndexError(
                f"bytes {offsets.min()} to {offsets.max() + n_bytes} of {len(self.content)}"
            )
        if (addresses % n_bytes).any():
            raise IndexError(f"an address is no multiple of the {n_bytes} bytes that are accessed")
        return (offsets // kind.itemsize)[:, None] + np.arange(n_elements)


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


def shared_memory(n_bytes: int) -> Memory:
    """At address 0; what nobody has written yet is NaN in every format."""
    return Memory(0, np.full(n_bytes, 0xFF, np.uint8))
