"""A population's ``launch`` that compiles each kernel for an H100 and runs it on the CPU.

Needs TRITON_INTERPRET=0, which holds for a whole process, and tensors in the CPU's memory.
"""

from itertools import product
from typing import Any, NamedTuple

from torch import Tensor
from triton.backends.nvidia.compiler import CUDABackend

from tests.ptx.block import Blocks, Index
from tests.ptx.control import run
from tests.ptx.counts import Counts
from tests.ptx.memory import DeviceMemory
from tests.ptx.program import Program, parse

#: Threads that run side by side: more make arrays that are slower than Python is.
_MOST_THREADS = 16384


def compile_to_ptx() -> None:
    """From now on Triton compiles no further."""
    CUDABackend.make_cubin = lambda *_: b""  # a fifth of the time, and nothing runs it


class Cost(NamedTuple):
    """What a launch of a kernel costs."""

    n_programs: int
    #: Of the first program alone.
    counts: Counts


class Emulator:
    def __init__(self, *, cuts: bool = True, first_only: bool = False) -> None:
        #: Whether products drop the lower 13 bits of their factors.
        self.cuts = cuts
        #: Whether a launch ends after its first program, where only its counts matter.
        self.first_only = first_only
        #: Of each kernel's last launch, if only its first program runs.
        self.costs: dict[str, Cost] = {}

    def launch(self, kernel: Any, grid: tuple[int, ...], *args: Any, **sizes: Any) -> None:
        compiled = kernel.warmup(*args, grid=grid, **sizes)
        name = kernel.fn.__name__
        n_x, n_y, n_z, *_ = (*grid, 1, 1)
        program = parse(compiled.asm["ptx"])
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        device = DeviceMemory(tensors, program.constants.values())
        # In a card's order. A slot's programs, which take the same branches, are mostly neighbours.
        indices = [(x, y, z) for z, y, x in product(range(n_z), range(n_y), range(n_x))]

        def run_blocks(some: list[Index], counts: Counts | None) -> None:
            blocks = Blocks(
                program,
                _arguments(compiled, program, args),
                indices=some,
                grid=(n_x, n_y, n_z),
                device=device,
                shared_bytes=compiled.metadata.shared,
                cuts=self.cuts,
                counts=counts,
            )
            run(blocks)

        if self.first_only:
            self.costs[name] = Cost(len(indices), counts := Counts())
            run_blocks(indices[:1], counts)
            return
        n = max(1, _MOST_THREADS // program.n_threads)
        for first in range(0, len(indices), n):
            run_blocks(indices[first : first + n], None)


def _arguments(compiled: Any, program: Program, args: tuple[Any, ...]) -> dict[str, int]:
    """Those that are not compiled in; and 0 for the scratch memory that Triton adds, unused."""
    kinds = compiled.src.signature.values()
    passed = [arg for arg, kind in zip(args, kinds, strict=False) if kind != "constexpr"]
    values = [arg.data_ptr() if isinstance(arg, Tensor) else int(arg) for arg in passed]
    scratch = [0] * (len(program.parameters) - len(values))
    return dict(zip(program.parameters, values + scratch, strict=True))
