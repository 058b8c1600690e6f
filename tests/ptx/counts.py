"""What memory accesses cost: wavefronts of shared memory, sectors of global memory.

Shared memory has 32 banks of 4 bytes (CUDA C++ Programming Guide, "Shared Memory"). A wavefront
moves at most 128 bytes, so with 8 bytes a thread a warp's request is two halves, with 16 four
quarters. In a wavefront every bank gives one word, to all threads that want it; other words of the
same bank need more wavefronts. Global memory comes in sectors of 32 bytes, each asked for once a
request.
"""

from dataclasses import dataclass

import numpy as np

from tests.ptx.program import Array

BANKS, WORD_BYTES, SECTOR_BYTES, WARP = 32, 4, 32, 32


@dataclass(kw_only=True)
class Counts:
    """Of one program."""

    #: Moves between registers and loads of parameters apart, which the assembler mostly removes.
    warp_instructions: int = 0
    #: In shared memory, by loads, stores and copies; not by products that read their factors there.
    wavefronts: int = 0
    #: As many as there would be if no two threads' words met in a bank.
    conflict_free: int = 0
    sectors: int = 0


def wavefronts(
    addresses: Array,  # (threads,)
    n_bytes: int,  # of each thread
    active: Array,  # (threads,) bool
) -> tuple[int, int]:
    """How many there are, and how many there would be without conflicts."""
    per_request = BANKS * WORD_BYTES // max(n_bytes, WORD_BYTES)
    offsets = np.arange(0, n_bytes, WORD_BYTES)
    words = (addresses[:, None] + offsets) // WORD_BYTES
    requests = np.where(active[:, None], words, -1).reshape(-1, per_request * len(offsets))
    words, first = _distinct(requests)
    request = np.nonzero(first)[0]
    busy = np.bincount(request * BANKS + words[first] % BANKS, minlength=len(requests) * BANKS)
    longest = busy.reshape(-1, BANKS).max(axis=1)
    return int(longest.sum()), int((longest > 0).sum())


def sectors(addresses: Array, n_bytes: int, active: Array) -> int:
    ends = np.stack([addresses, addresses + n_bytes - 1], axis=1) // SECTOR_BYTES
    _, first = _distinct(np.where(active[:, None], ends, -1).reshape(-1, 2 * WARP))
    return int(first.sum())


def _distinct(rows: Array) -> tuple[Array, Array]:
    """Rows sorted, and where each of their values that is not -1 comes first."""
    ordered = np.sort(rows, axis=1)
    first = ordered >= 0
    first[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
    return ordered, first
