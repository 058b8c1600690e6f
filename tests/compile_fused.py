"""Compile the fused trainer's kernels for an H100 that need not be there.

    python -m tests.compile_fused compile 784 128 tf32    what each kernel takes, at this D and B
    python -m tests.compile_fused specialise              how often each is compiled in a study

The arguments are those of real launches, on a population in the CPU's memory: what would run is
what is compiled. A process of its own, because Triton's interpreter and its compiler exclude each
other: it needs TRITON_INTERPRET=0.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, make_backend
from triton.runtime.jit import JITFunction, create_function_from_signature

from sweep.trainer.fused.layout import Layout
from sweep.trainer.fused.population import Blocks, Images, Population
from tests.fused_factories import every_choice, fused_spec, make_fused

H100 = GPUTarget("cuda", 90, 32)

#: What a launch says to the compiler, not to the kernel.
OPTIONS = ("num_warps", "num_stages", "maxnreg")

Launch = Callable[..., None]


def specialise(kernel: Any, *args: Any, **constants: Any) -> list[tuple[str, Any]]:
    """(type, what is compiled in) of each argument: with another one Triton compiles again."""
    bind = create_function_from_signature(kernel.signature, kernel.params, make_backend(H100))
    return list(bind(*args, **constants)[1])


def compile_launch(kernel: Any, *args: Any, **constants: Any) -> Any:
    """As ``kernel[grid](*args, **constants)`` would on an H100."""
    options = {
        name: constants.pop(name)
        for name in ("num_warps", "num_stages", "maxnreg")
        if name in constants
    }
    specialised = specialise(kernel, *args, **constants)
    signature = {name: kind for name, (kind, _) in zip(kernel.arg_names, specialised, strict=True)}
    attributes = {
        (i,): make_backend(H100).parse_attr(known)
        for i, (_, known) in enumerate(specialised)
        if isinstance(known, str)
    }
    source = ASTSource(kernel, signature, constants, attributes)
    return triton.compile(source, target=H100, options=options)


def instead_of_running(do: Launch) -> None:
    """Whenever a kernel is launched, do this with kernel and arguments."""

    def run(kernel: Any, *args: Any, grid: Any, warmup: bool, **constants: Any) -> None:
        do(kernel, *args, **constants)

    JITFunction.run = run


def compile_all(population: Population) -> dict[str, Any]:
    """Each kernel that a step or a measurement launches, compiled."""
    compiled: dict[str, Any] = {}

    def keep(kernel: Any, *args: Any, **constants: Any) -> None:
        if kernel.fn.__name__ not in compiled:
            compiled[kernel.fn.__name__] = compile_launch(kernel, *args, **constants)

    instead_of_running(keep)
    labels = torch.zeros(256, dtype=torch.int32)
    images = Images(torch.zeros((256, population.n_inputs), dtype=torch.uint8), labels, 10)
    population.train_step()
    population.measure(images, lambda: population.measure_step(images, watch=True), summarise=True)
    return compiled


def count_specialisations() -> dict[str, int]:
    """How often each kernel would be compiled for a stream of trials of every kind."""
    seen: dict[str, set[str]] = {}

    def keep(kernel: Any, *args: Any, **constants: Any) -> None:
        key = str(specialise(kernel, *args, **constants))
        seen.setdefault(kernel.fn.__name__, set()).add(key)

    instead_of_running(keep)
    triton.knobs.runtime.interpret = True  # for the trainer, which asks; the kernels are loaded
    fused = make_fused()
    for number, config in enumerate(every_choice()[::13]):
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


def compile_and_describe(n_inputs: int, batch_size: int, precision: str, blocks: Blocks) -> None:
    population = Population(
        Layout(n_slots=4, n_tiles=8, tile_units=blocks.units),
        torch.zeros((256, n_inputs), dtype=torch.uint8),
        batch_size=batch_size,
        n_evaluated=256,
        n_classes=10,
        blocks=blocks,
        precision=precision,
    )
    with tempfile.TemporaryDirectory() as folder:
        triton.knobs.cache.dir = folder
        for name, kernel in compile_all(population).items():
            print(json.dumps({"kernel": name} | describe(kernel, Path(folder, "cubin"))))


def main() -> None:
    match sys.argv[1:]:
        case ["specialise"]:
            print(json.dumps(count_specialisations()))
        case ["compile", n_inputs, batch_size, precision, *blocks]:
            sizes = Blocks(**json.loads(blocks[0])) if blocks else Blocks()
            compile_and_describe(int(n_inputs), int(batch_size), precision, sizes)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
