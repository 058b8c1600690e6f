"""Compile the fused trainer's kernels for an H100 that need not be there.

    python -m tests.support.compile_fused compile 784 128 tf32
        what each kernel takes, at this D and B
    python -m tests.support.compile_fused count 16 32
        how often each is compiled when a worker starts, and in a study, with batches of so many
        examples

The arguments are those of real launches, on a population in the CPU's memory: what would run is
what is compiled, by Triton itself, which is told that its device is an H100. A process of its own,
because Triton's interpreter and its compiler exclude each other: it needs TRITON_INTERPRET=0.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import CUDABackend
from triton.compiler import make_backend
from triton.runtime import driver
from triton.runtime.jit import JITFunction, create_function_from_signature

from sweep.trainer.fused.compiling import compile_kernels, compile_only, launch_each
from sweep.trainer.fused.kernel_config import PRECISIONS
from sweep.trainer.fused.kernels import KERNELS
from tests.support.fused_factories import (
    LARGE_BLOCKS,
    every_choice,
    fused_spec,
    make_fused,
)

H100 = GPUTarget("cuda", 90, 32)

Launch = Callable[..., None]


class PretendedH100:
    """What Triton asks a driver before it compiles for its device."""

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_current_target(self) -> GPUTarget:
        return H100


@contextmanager
def pretended_h100() -> Iterator[Path]:
    """From now on Triton compiles for an H100; its cache, in this folder, goes in the end."""
    driver.set_active(PretendedH100())
    triton.knobs.compilation.disable_line_info = True  # a sixth of the time, and no other code
    with tempfile.TemporaryDirectory() as folder:
        triton.knobs.cache.dir = folder
        yield Path(folder)


def specialise(kernel: Any, *args: Any, **constants: Any) -> list[tuple[str, Any]]:
    """(type, what is compiled in) of each argument: with another one Triton compiles again."""
    return list(_binder(kernel)(*args, **constants)[1])


@cache
def _binder(kernel: Any) -> Any:
    return create_function_from_signature(kernel.signature, kernel.params, make_backend(H100))


def instead_of_running(do: Launch) -> None:
    """Whenever a kernel is launched, do this with kernel and arguments."""

    def run(kernel: Any, *args: Any, grid: Any, warmup: bool, **constants: Any) -> None:
        do(kernel, *args, **constants)

    JITFunction.run = run


def compile_all(pixels: Tensor, **shape: Any) -> dict[str, Any]:
    """Each kernel that a step or a measurement launches, compiled."""
    compiled: dict[str, Any] = {}

    def keep(kernel: Any, grid: tuple[int, ...], *args: Any, **constants: Any) -> None:
        compiled[kernel.fn.__name__] = kernel.warmup(*args, grid=grid, **constants)

    launch_each(keep, pixels, **shape)
    return compiled


def compile_ahead(pixels: Tensor, **shape: Any) -> dict[str, int]:
    """How often a worker that starts compiles each kernel, for both precisions.

    As far as Triton's own dialect: ``tests/ptx`` compiles them all, with blocks of real sizes.
    """

    def stop(_: CUDABackend, module: Any, metadata: dict[str, Any], *__: object) -> str:
        metadata.update(name="", shared=0, num_warps=1)
        return ""

    CUDABackend.make_ttir = CUDABackend.make_ttgir = lambda _, module, *__: module
    CUDABackend.make_llir, CUDABackend.make_ptx = stop, lambda *_: ""
    CUDABackend.make_cubin = lambda *_: b""
    for kernel in KERNELS:
        kernel.device_caches.clear()
    compile_kernels(pixels, precisions=PRECISIONS, **shape)
    counts = {kernel.fn.__name__: len(kernel.device_caches[0][0]) for kernel in KERNELS}
    return {name: count for name, count in counts.items() if count}


def count_specialisations(batch_size: int) -> dict[str, int]:
    """How often each kernel would be compiled: ahead, and for a stream of trials of every kind."""
    seen: dict[str, set[str]] = {}

    def keep(kernel: Any, *args: Any, **constants: Any) -> None:
        key = str(specialise(kernel, *args, **constants))
        seen.setdefault(kernel.fn.__name__, set()).add(key)

    instead_of_running(keep)
    triton.knobs.runtime.interpret = True  # for the trainer, which asks; the kernels are loaded
    fused = make_fused(batch_size=batch_size)
    of_fused = {"batch_size": batch_size, "config": LARGE_BLOCKS, "precision": "ieee"}
    launch_each(compile_only, fused.data.train, **of_fused)
    for number, choice in enumerate(every_choice()[::13]):
        config = replace(choice, batch_size=batch_size)
        assert fused.admit(fused_spec(number, replace(config, hidden_width=number % 64 + 1)))
        fused.train_epoch(), fused.train_epoch()
        assert fused.result(number).results
        fused.release(number)
    return {name: len(keys) for name, keys in seen.items()}


def describe(kernel: Any, cubin: Path) -> dict[str, Any]:
    """What a program takes: registers and stack (spilt registers) a thread, shared memory."""
    cubin.write_bytes(kernel.asm["cubin"])
    tool = triton.knobs.nvidia.cuobjdump.path
    usage = subprocess.run(
        [tool, "--dump-resource-usage", cubin], capture_output=True, text=True, check=True
    ).stdout
    ptx = kernel.asm["ptx"]
    return {
        "registers": int(re.findall(r"REG:(\d+)", usage)[0]),
        "stack": int(re.findall(r"STACK:(\d+)", usage)[0]),
        "shared": kernel.metadata.shared,
        "warps": kernel.metadata.num_warps,
        "wgmma": ptx.count("wgmma.mma_async"),
        "mma": ptx.count("mma.sync"),
    }


def main() -> None:
    with pretended_h100() as folder:
        match sys.argv[1:]:
            case ["count", *batch_sizes]:
                pixels = torch.zeros((64, 20), dtype=torch.uint8)
                sizes = [int(size) for size in batch_sizes]
                ahead = [
                    compile_ahead(pixels, batch_size=size, config=LARGE_BLOCKS) for size in sizes
                ]
                # Afterwards no kernel of this process is compiled any more.
                in_study = [count_specialisations(size) for size in sizes]
                print(*map(json.dumps, (ahead, in_study)), sep="\n")
            case ["compile", n_inputs, batch_size, precision]:
                pixels = torch.zeros((256, int(n_inputs)), dtype=torch.uint8)
                compiled = compile_all(pixels, batch_size=int(batch_size), precision=precision)
                for name, kernel in compiled.items():
                    print(json.dumps({"kernel": name} | describe(kernel, folder / "cubin")))
            case _:
                sys.exit(__doc__)


if __name__ == "__main__":
    main()
