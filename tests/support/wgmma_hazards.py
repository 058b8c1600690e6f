"""Find registers that are overwritten while a product in flight still reads them.

    python -m tests.support.wgmma_hazards
        every kernel that multiplies, in every launched shape
    python -m tests.support.wgmma_hazards 128-tf32 128-tf32-options
        the same, with these batch sizes and precisions alone, and every option of the configuration
    python -m tests.support.wgmma_hazards pipelined
        encode's loop as Triton pipelines it, with hazards that are expected

wgmma, an H100's product of matrices, is asynchronous: until its group has been waited for, the
registers of its factor and of its sum must not be written (PTX ISA, "Asynchronous Warpgroup Level
Matrix Multiply-Accumulate Instructions"). ptxas 12.8 and 12.9 write them all the same where a
product stays in flight from one round of a loop to the next (triton PR 11781). Neither Triton's
interpreter nor the emulator in tests/ptx shows that, because both finish a product at once. This
module reads the machine code itself: a forward data-flow analysis over all paths of a kernel, whose
state is the groups that may be in flight.

Prints a line of JSON for each kernel; the exit status is 1 if there is a hazard. Needs
TRITON_INTERPRET=0 and no GPU: assembler and disassembler come with Triton.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor
from triton import language as tl
from triton.backends.nvidia.compiler import CUDABackend

from sweep.trainer.fused.compiling import launch_each
from sweep.trainer.fused.kernel_config import PRECISIONS
from sweep.trainer.fused.kernels.encoder import store_units
from sweep.trainer.fused.kernels.functions import pixels_of
from tests.support.compile_fused import pretended_h100

#: Batches that the updates take whole, in blocks of 16 to 128 examples, and a larger one.
BATCH_SIZES = (16, 32, 64, 128, 200)

N_INPUTS = 784

#: Kernels without products, which are not compiled here.
WITHOUT_PRODUCTS = {"begin_step", "watch_units", "summarise_tiles", "summarise_slots"}

#: encode's loop as Triton pipelines it.
PIPELINED = "pipelined_encode"

#: Groups in flight that are told apart; older ones count as one.
MAX_GROUPS = 8


class Instruction(NamedTuple):
    address: int
    #: "@P0" and the like; empty where it is always executed.
    predicate: str
    opcode: str
    operands: str

    def __str__(self) -> str:
        return f"{self.address:#06x} {self.opcode} {self.operands}"


class Code(NamedTuple):
    """A kernel's machine code."""

    instructions: list[Instruction]
    #: Where each label stands, as an index of the instructions.
    labels: dict[str, int]

    @property
    def n_products(self) -> int:
        return sum(one.opcode.startswith("HGMMA") for one in self.instructions)


class Reading(NamedTuple):
    """A register that a product in flight reads."""

    register: int
    #: The product's address.
    address: int


#: Of each group in flight, the oldest first, what it reads. The last group is not closed yet.
Flying = tuple[frozenset[Reading], ...]


def hazards(code: Code) -> list[str]:
    """Describe each write to a register that a product in flight reads."""
    found = []
    for instruction, flying in zip(code.instructions, _flying_before(code), strict=True):
        if flying is None or instruction.opcode.startswith("HGMMA"):
            continue
        registers = written(instruction)
        readers = {one.address for group in flying for one in group if one.register in registers}
        if readers:
            at = ", ".join(f"{address:#06x}" for address in sorted(readers))
            found.append(f"{instruction} writes what the product at {at} reads")
    return found


def _flying_before(code: Code) -> list[Flying | None]:
    """What may be in flight before each instruction; None for one that is never reached."""
    before: list[Flying | None] = [None] * len(code.instructions)
    before[0] = (frozenset(),)
    waiting = [0]
    while waiting:
        i = waiting.pop()
        flying = before[i]
        assert flying is not None
        after = _after(code.instructions[i], flying)
        for j in _successors(code, i):
            if (joined := _join(before[j], after)) != before[j]:
                before[j] = joined
                waiting.append(j)
    return before


def _after(instruction: Instruction, flying: Flying) -> Flying:
    opcode, operands = instruction.opcode, instruction.operands
    if opcode.startswith("HGMMA"):
        reads = {Reading(register, instruction.address) for register in _read(instruction)}
        flying = (*flying[:-1], flying[-1] | reads)
        return (*flying, frozenset()) if "gsb0" in operands else flying
    if opcode == "WARPGROUP.DEPBAR.LE":
        allowed = int(operands.split(",")[1], 16)
        return flying[-1 - allowed :]
    return flying


def _join(one: Flying | None, other: Flying) -> Flying:
    """What is in flight on either path, group by group from the youngest on."""
    if one is None:
        return other
    short, long = sorted((one, other), key=len)
    padded = (frozenset[Reading](),) * (len(long) - len(short)) + short
    joined = tuple(a | b for a, b in zip(padded, long, strict=True))
    oldest, rest = joined[: 1 - MAX_GROUPS], joined[1 - MAX_GROUPS :]
    return (frozenset[Reading]().union(*oldest), *rest) if oldest else joined


def _successors(code: Code, i: int) -> Iterator[int]:
    """Where the program may be after instruction i."""
    instruction = code.instructions[i]
    jumps = instruction.opcode.startswith(("BRA", "BRX", "CALL"))
    if jumps:
        for label in re.findall(r"\.L_x_\w+", instruction.operands):
            if code.labels[label] < len(code.instructions):
                yield code.labels[label]
    ends = instruction.opcode.startswith(("BRA", "BRX", "EXIT", "RET"))
    if not ends or instruction.predicate:
        yield i + 1


def _read(hgmma: Instruction) -> set[int]:
    """The registers of its sum and of its first factor, unless that is in shared memory.

    HGMMA.64xNx8.F32.TF32 R24, R56, gdesc[UR16], R24: the sum has N / 2 registers a thread, the
    factor four.
    """
    shape = re.match(r"HGMMA\.64x(\d+)x", hgmma.opcode)
    operands = [operand.strip() for operand in hgmma.operands.split(",")]
    assert shape is not None
    registers = _run(operands[0], int(shape[1]) // 2)
    return registers | _run(operands[1], 4)


def written(instruction: Instruction) -> set[int]:
    """The registers that an instruction writes, its condition aside.

    That is its first operand, or the second after a predicate: "SHFL.BFLY PT, R5, …".
    """
    if instruction.opcode.startswith(_NO_RESULT):
        return set()
    operands = [operand.strip() for operand in instruction.operands.split(",")]
    if re.fullmatch(r"P[T\d]", operands[0]):
        operands = operands[1:]
    return _run(operands[0], _n_written(instruction.opcode)) if operands else set()


#: Their first operand may be a register, which they read.
_NO_RESULT = ("ST", "BAR", "BRX", "CALL", "RED.", "RET", "WARPSYNC", "NANOSLEEP")


def _n_written(opcode: str) -> int:
    if ".128" in opcode or opcode.startswith("HMMA"):
        return 4
    if opcode.startswith("LDSM"):
        return {"4": 4, "2": 2}.get(opcode.rpartition(".")[2], 1)
    if ".64" in opcode or opcode == "CS2R" or opcode.startswith(_PAIRS):
        return 2
    return 1


_PAIRS = (
    *("DADD", "DFMA", "DMNMX", "DMUL", "IMAD.WIDE"),
    *("F2F.F64", "F2I.S64", "F2I.U64", "I2F.F64"),
)


def _run(operand: str, n: int) -> set[int]:
    """n registers from this one on; none for "RZ" and for what is no register."""
    first = re.fullmatch(r"R(\d+)(\.reuse)?", operand)
    return set(range(int(first[1]), int(first[1]) + n)) if first else set()


def disassemble(cubin: bytes) -> Code:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [triton.knobs.nvidia.nvdisasm.path, "-c", file.name]
        return parse(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def parse(text: str) -> Code:
    """nvdisasm's listing: labels, and instructions with their addresses."""
    instructions: list[Instruction] = []
    labels: dict[str, int] = {}
    for line in text.splitlines():
        if label := re.match(r"(\.L_x_\w+):", line):
            labels[label[1]] = len(instructions)
        elif parts := re.match(r"\s+/\*([0-9a-f]{4,})\*/\s+(@!?U?P\w+ )?\s*(\S+)\s*(.*)", line):
            address, predicate, opcode, operands = parts.groups(default="")
            operands = operands.partition(";")[0].strip()
            instructions.append(
                Instruction(int(address, 16), predicate.strip(), opcode.rstrip(";"), operands)
            )
    return Code(instructions, labels)


@triton.jit(do_not_specialize=["order_stride", "n_images"])
def pipelined_encode(
    tile_list,
    tile_slot,
    tile_units,
    images,
    order,
    order_stride,
    n_images,
    position,
    encoder,
    encoder_bias,
    z,
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """encode without its loads by hand: Triton pipelines the loop, and ptxas breaks the rule."""
    tile = tl.load(tile_list + tl.program_id(0)).to(tl.int64)
    slot = tl.load(tile_slot + tile).to(tl.int64)
    unit = tl.arange(0, BLOCK_R)
    in_use = unit < tl.load(tile_units + tile)
    b = tl.program_id(1) * BLOCK_B + tl.arange(0, BLOCK_B)
    start = tl.load(position + slot) * B
    seen = (b < B) & (start + b < n_images)
    image = tl.load(order + slot * order_stride + start + b, mask=seen, other=0)
    total = tl.zeros((BLOCK_B, BLOCK_R), dtype=tl.float32)
    for d0 in range(0, D, BLOCK_D):
        d = d0 + tl.arange(0, BLOCK_D)
        x = pixels_of(images, image, seen, d, D).to(tl.float32)
        w = tl.load(
            encoder + tile * BLOCK_R * D + (unit[:, None] * D + d[None, :]),
            mask=in_use[:, None] & (d < D)[None, :],
            other=0.0,
        )
        total = tl.dot(x, tl.trans(w), total, input_precision=PRECISION)
    store_units(total, encoder_bias, z, tile, unit, in_use, b, B, BLOCK_R)


class WithoutWgmmaError(Exception):
    """Triton multiplies this kernel's matrices by other instructions, if at all."""


def stop_without_wgmma() -> None:
    """From now on compile no kernel further than to where it is known to have no wgmma."""
    make_llir = CUDABackend.make_llir

    def make(self: Any, module: Any, *arguments: Any) -> Any:
        if "warp_group_dot" not in str(module):
            raise WithoutWgmmaError
        return make_llir(self, module, *arguments)

    CUDABackend.make_llir = make


#: What to do with a kernel's name and machine code, None if it has no wgmma.
Keep = Callable[[str, bytes | None], None]


def compile_each(batch_size: int, precision: str, keep: Keep, *, options: bool = False) -> None:
    """Compile the kernels that multiply, as a step and a measurement launch them.

    With all options of the configuration that change a kernel, or as they are by default.
    """
    config = PRECISIONS[precision]
    if options:
        config = replace(config, chain_steps=16, cheap_loss=True)

    def launch(kernel: Any, grid: tuple[int, ...], *args: Any, **sizes: Any) -> None:
        if (name := kernel.fn.__name__) not in WITHOUT_PRODUCTS | seen:
            seen.add(name)
            keep(name, _machine_code(kernel, grid, *args, **sizes))

    seen: set[str] = set()
    shape = {"batch_size": batch_size, "precision": precision}
    launch_each(launch, make_pixels(), **shape, config=config)  # type: ignore[arg-type]


def _machine_code(kernel: Any, grid: tuple[int, ...], *args: Any, **sizes: Any) -> bytes | None:
    try:
        code: bytes = kernel.warmup(*args, grid=grid, **sizes).asm["cubin"]
    except WithoutWgmmaError:
        return None
    return code


def compile_pipelined(keep: Keep) -> None:
    def launch(kernel: Any, grid: tuple[int, ...], *args: Any, **sizes: Any) -> None:
        if kernel.fn.__name__ == "encode" and not seen:
            seen.add("encode")
            keep(PIPELINED, _machine_code(pipelined_encode, grid, *args, **sizes))

    seen: set[str] = set()
    launch_each(launch, make_pixels(), batch_size=128, precision="tf32")


def make_pixels() -> Tensor:
    return torch.zeros((256, N_INPUTS), dtype=torch.uint8)


def _every_shape() -> Iterator[str]:
    for size, precision in product(BATCH_SIZES, PRECISIONS):
        yield f"{size}-{precision}"
        yield f"{size}-{precision}-options"


@cache
def _examine(cubin: bytes) -> tuple[int, list[str]]:
    """Return the number of products, and what overwrites what they read."""
    code = disassemble(cubin)
    return code.n_products, hazards(code)


def main() -> None:
    found: list[str] = []
    shape: dict[str, object] = {"batch_size": 128, "precision": "tf32", "options": False}

    def report(name: str, cubin: bytes | None) -> None:
        n_products, of_kernel = _examine(cubin) if cubin else (0, [])
        row = {"kernel": name, "products": n_products, "hazards": of_kernel}
        print(json.dumps({"triton": triton.__version__} | shape | row), flush=True)
        found.extend(of_kernel if name != PIPELINED else [])

    stop_without_wgmma()
    with pretended_h100():
        for word in sys.argv[1:] or _every_shape():
            if word == "pipelined":
                compile_pipelined(report)
            else:
                size, precision, *options = word.split("-")
                shape = {"batch_size": int(size), "precision": precision}
                shape |= {"options": bool(options)}
                compile_each(int(size), precision, report, options=bool(options))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
