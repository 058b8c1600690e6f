"""The state of thread blocks that run side by side: registers of their threads, memories, counts.

A register is one array over the threads of all blocks, of the unsigned type of its width;
instructions look at it as the type that they name. Registers are declared by the program, and must
be written first. An instruction reads and writes the elements of those threads that take it.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tests.ptx import counts
from tests.ptx.counts import WARP, Counts
from tests.ptx.memory import DeviceMemory, SharedMemory
from tests.ptx.program import Array, Instruction, Kind, Program, address_of

Index = tuple[int, int, int]

#: Not counted: see Counts.
_FREE = {"mov", "ld.param"}

_ADDRESS = np.dtype(np.uint64)
_BOOL = np.dtype(np.bool_)
_UNSIGNED = {n: np.dtype(f"u{n}") for n in (1, 2, 4, 8)}


class Threads:
    """Threads that take the same instruction; none if there is none."""

    def __init__(self, numbers: Array) -> None:
        #: Their numbers among the threads of all blocks, ascending.
        self.numbers = numbers
        #: Their elements of a register: a slice if they are neighbours, which needs no copy.
        self.at: slice | Array = numbers
        if len(self) and numbers[-1] - numbers[0] == len(numbers) - 1:
            self.at = slice(int(numbers[0]), int(numbers[-1]) + 1)

    def __len__(self) -> int:
        return len(self.numbers)

    def select(self, chosen: Array) -> "Threads":
        """Those of them for which this is true."""
        return self if chosen.all() else Threads(self.numbers[chosen])

    def join(self, others: "Threads") -> "Threads":
        return Threads(np.sort(np.concatenate([self.numbers, others.numbers])))


class Blocks:
    def __init__(
        self,
        program: Program,
        arguments: dict[str, int],
        *,
        indices: Sequence[Index],
        grid: Index,
        device: DeviceMemory,
        shared_bytes: int,
        cuts: bool,
        counts: Counts | None = None,
    ) -> None:
        self.program, self.arguments, self.indices = program, arguments, indices
        self.device, self.shared = device, SharedMemory(shared_bytes, len(indices))
        #: Whether products drop the lower 13 bits of their factors, as the card's do.
        self.cuts = cuts
        #: Of all blocks together; None if nothing is counted.
        self.counts = counts
        self.n_threads = program.n_threads * len(indices)
        self.everyone = Threads(np.arange(self.n_threads))
        #: Each thread's block.
        self.block_of = np.arange(len(indices)).repeat(program.n_threads)
        thread = np.tile(np.arange(program.n_threads, dtype=np.uint32), len(indices))
        self.registers: dict[str, Array] = {"%tid.x": thread}
        for axis, at, n in zip("xyz", np.array(indices, np.uint32).T, grid, strict=True):
            self.registers[f"%ctaid.{axis}"] = at[self.block_of]
            self.registers[f"%nctaid.{axis}"] = self._all(n, np.uint32)
        self._constants: dict[tuple[str, Kind], Array] = {}

    # Registers

    def read(self, operand: str, kind: Kind, threads: Threads) -> Array:
        """A register or a constant as that type, (threads,); the lower part of a wider one."""
        values = self.registers.get(operand)
        if values is None:
            return self._constant(operand, kind)[: len(threads)]
        values = values[threads.at]
        if values.dtype.itemsize == kind.itemsize or values.dtype == _BOOL:
            return values.view(kind)
        return values.astype(_UNSIGNED[kind.itemsize]).view(kind)

    def read_all(self, operands: tuple[str, ...], kind: Kind, threads: Threads) -> Array:
        """(operands, threads)"""
        return np.array([self.read(operand, kind, threads) for operand in operands])

    def write(self, register: str, values: Array, threads: Threads) -> None:
        """Write the values of these threads, signed ones extended to the register's width.

        What the others have there, if they never wrote it, is NaN, or a number that leads nowhere.
        """
        mine = self.registers.get(register)
        if mine is None:
            kind = self.program.registers[register]
            mine = self.registers[register] = np.empty(self.n_threads, kind)
            if threads is not self.everyone:
                mine.fill(kind.type(0) if kind == _BOOL else ~kind.type(0))
        if values.dtype.kind == "f":
            values = values.view(_UNSIGNED[values.dtype.itemsize])
        mine[threads.at] = values

    def addresses(self, operand: str, threads: Threads) -> Array:
        """Of "[base+offset]", (threads,) int64."""
        base, offset = address_of(operand)
        kind = self.program.registers.get(base, _ADDRESS)
        addresses: Array = self.read(base, kind, threads).astype(np.int64)
        addresses += offset
        return addresses

    def _constant(self, operand: str, kind: Kind) -> Array:
        if (operand, kind) not in self._constants:
            self._constants[operand, kind] = self._made(operand, kind)
        return self._constants[operand, kind]

    def _made(self, operand: str, kind: Kind) -> Array:
        if operand in self.program.registers:
            raise KeyError(f"{operand} is read and was not written")
        bits = self._bits(operand)
        if kind == _BOOL:
            return self._all(bits != 0, kind)
        return self._all(bits % (1 << 8 * kind.itemsize), f"u{kind.itemsize}").view(kind)

    def _bits(self, operand: str) -> int:
        """Of a number, a hexadecimal float (0f…, 0d…), or what is known by a name."""
        if operand in self.program.constants:
            return int(self.program.constants[operand].ctypes.data)
        if operand == "global_smem":
            return 0
        if operand.startswith("__local_depot"):
            return 0  # a thread's stack, which no known instruction reaches
        if operand.startswith(("0f", "0d")):
            return int(operand[2:], 16)
        return int(operand.rstrip("U"), 0)

    def _all(self, value: int, kind: Kind | type[np.generic] | str) -> Array:
        return np.full(self.n_threads, value, kind)

    # Threads

    def guard(self, instruction: Instruction, threads: Threads) -> Array:
        """Which of these threads may take an instruction that has a guard."""
        guard = self.read(instruction.guard, _BOOL, threads)
        return ~guard if instruction.negated else guard

    def by_block(self, values: Array) -> Array:
        """Arrange the values of whole blocks' threads as (blocks, threads)."""
        return values.reshape(-1, self.program.n_threads)

    def are_whole(self, threads: Threads) -> bool:
        """Whether they are all threads of their blocks."""
        n = self.program.n_threads
        if len(threads) % n:
            return False
        numbers = threads.numbers.reshape(-1, n)
        return bool((numbers[:, -1] // n == numbers[:, 0] // n).all())

    # Counts

    def count_issue(self, instruction: Instruction, threads: Threads) -> None:
        """By every warp with such a thread, whatever its guard says."""
        if self.counts is not None and instruction.key not in _FREE:
            self.counts.warp_instructions += len(np.unique(threads.numbers // WARP))

    def count_wavefronts(self, addresses: Array, n_bytes: int, threads: Threads) -> None:
        if self.counts is not None:
            n, conflict_free = counts.wavefronts(*self._of_warps(addresses, threads, n_bytes))
            self.counts.wavefronts += n
            self.counts.conflict_free += conflict_free

    def count_sectors(self, addresses: Array, n_bytes: int, threads: Threads) -> None:
        if self.counts is not None:
            self.counts.sectors += counts.sectors(*self._of_warps(addresses, threads, n_bytes))

    def _of_warps(
        self, addresses: Array, threads: Threads, n_bytes: int
    ) -> tuple[Array, int, Array]:
        """Of all threads: addresses, bytes each, and whether they access them."""
        everywhere, active = np.zeros(self.n_threads, np.int64), np.zeros(self.n_threads, np.bool_)
        everywhere[threads.at], active[threads.at] = addresses, True
        return everywhere, n_bytes, active


#: What an instruction does, with the threads whose guard lets them.
Operation = Callable[[Blocks, Instruction, Threads], None]
