"""The state of thread blocks that run side by side: registers of their threads, memories, counts.

A register is one array over the threads of all blocks, of the unsigned type of its width;
instructions look at it as the type that they name. Registers are declared by the program, and must
be written first.
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
        self.n_warps = self.n_threads // WARP
        #: The mask of all threads; other masks are never full, so ``is`` tells.
        self.everyone = np.ones(self.n_threads, np.bool_)
        #: Each thread's block.
        self.block_of = np.arange(len(indices)).repeat(program.n_threads)
        thread = np.tile(np.arange(program.n_threads, dtype=np.uint32), len(indices))
        self.registers: dict[str, Array] = {"%tid.x": thread}
        for axis, at, n in zip("xyz", np.array(indices, np.uint32).T, grid, strict=True):
            self.registers[f"%ctaid.{axis}"] = at[self.block_of]
            self.registers[f"%nctaid.{axis}"] = self._all(n, np.uint32)
        self._constants: dict[tuple[str, Kind], Array] = {}

    # Registers

    def read(self, operand: str, kind: Kind) -> Array:
        """A register or a constant as that type, (threads,); the lower part of a wider one."""
        values = self.registers.get(operand)
        if values is None:
            return self._constant(operand, kind)
        if values.dtype.itemsize == kind.itemsize or values.dtype == _BOOL:
            return values.view(kind)
        return values.astype(f"u{kind.itemsize}").view(kind)

    def read_all(self, operands: tuple[str, ...], kind: Kind) -> Array:
        """(operands, threads)"""
        return np.stack([self.read(operand, kind) for operand in operands])

    def write(self, register: str, values: Array, active: Array) -> None:
        """Of the active threads only; signed values are extended to the register's width.

        What the others have there, if they never wrote it, is NaN, or a number that leads nowhere.
        """
        kind = self.program.registers[register]
        if values.dtype.kind == "f":
            values = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
        values = values.astype(kind, copy=False)
        if active is not self.everyone:
            unwritten = kind.type(0) if kind == np.bool_ else ~kind.type(0)
            values = np.where(active, values, self.registers.get(register, unwritten))
        self.registers[register] = values

    def addresses(self, operand: str) -> Array:
        """Of "[base+offset]", (threads,) int64."""
        base, offset = address_of(operand)
        kind = self.program.registers.get(base, _ADDRESS)
        addresses: Array = self.read(base, kind).astype(np.int64) + offset
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

    def chosen(self, instruction: Instruction, active: Array) -> Array:
        """Those of the active threads whose guard lets them take an instruction."""
        if not instruction.guard:
            return active
        guard = self.registers[instruction.guard]
        return self.mask(active & (~guard if instruction.negated else guard))

    def mask(self, threads: Array) -> Array:
        return self.everyone if threads.all() else threads

    def by_block(self, threads: Array) -> Array:
        """(blocks, threads)"""
        return threads.reshape(len(self.indices), -1)

    # Counts

    def count_issue(self, instruction: Instruction, active: Array) -> None:
        """By every warp with an active thread, whatever its guard says."""
        if self.counts is None or instruction.key in _FREE:
            return
        if active is self.everyone:
            self.counts.warp_instructions += self.n_warps
        else:
            self.counts.warp_instructions += int(active.reshape(-1, WARP).any(axis=1).sum())

    def count_wavefronts(self, addresses: Array, n_bytes: int, active: Array) -> None:
        if self.counts is not None:
            n, conflict_free = counts.wavefronts(addresses, n_bytes, active)
            self.counts.wavefronts += n
            self.counts.conflict_free += conflict_free

    def count_sectors(self, addresses: Array, n_bytes: int, active: Array) -> None:
        if self.counts is not None:
            self.counts.sectors += counts.sectors(addresses, n_bytes, active)


#: What an instruction does with the threads whose guard lets them.
Operation = Callable[[Blocks, Instruction, Array], None]
