"""Time a step of the CPU trainer and a step by autograd, on one thread and on more.

   python -m benchmarks.cpu_trainer
   python -m benchmarks.cpu_trainer --threads 1 2 --widths 32 128 256 784

All sides train the same network (relu, sigmoid output, binary cross-entropy, Adam, batches of 128
images of 28 x 28 made-up pixels) and alternate in blocks of a few steps:

   torch.mm   one product of a step, (128, 784) by (784, H): what the processor reaches
   plain      the reference trainer with torch's own binary_cross_entropy_with_logits
   reference  the reference trainer
   cpu        the CPU trainer

The time of a side is that of its fastest block, because other load on the machine only adds time. A
step has five products of 2 x 128 x 784 x H operations; its GFLOP/s are these operations over the
time of the step. No side validates. Exits with 1 if cpu is less than GOALS times as fast as plain
on one thread.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from sweep.config import TrialConfig
from sweep.trainer.cpu.step import ManualStep
from sweep.trainer.reference import AutogradStep
from sweep.trainer.training import TrainingStep

CPU = torch.device("cpu")
BATCH_SIZE, N_INPUTS, N_IMAGES = 128, 784, 6_000

#: Required speed-up over plain, by width.
GOALS = {32: 2.4, 128: 1.6, 784: 1.15}

#: Runs a number of steps.
Block = Callable[[int], None]


class PlainStep(AutogradStep):
    """The reference trainer's step with torch's own loss, whose log1p is slow on CPUs."""

    def __init__(self, config: TrialConfig, seed: int, images: torch.Tensor) -> None:
        super().__init__(config, seed, images, CPU)
        self._loss = lambda logits, pixels, _: functional.binary_cross_entropy_with_logits(
            logits, pixels
        )


def sides(hidden_width: int, n_images: int) -> dict[str, Block]:
    """Return the functions that alternate, by name."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n_images, N_INPUTS), dtype=torch.uint8, generator=generator)
    config = TrialConfig(hidden_width=hidden_width, batch_size=BATCH_SIZE)
    order = torch.randperm(n_images, generator=generator)
    return {
        "torch.mm": _product(hidden_width),
        "plain": _steps(PlainStep(config, 0, images), order),
        "reference": _steps(AutogradStep(config, 0, images, CPU), order),
        "cpu": _steps(ManualStep(config, 0, images), order),
    }


def _product(hidden_width: int) -> Block:
    pixels, weights = torch.rand(BATCH_SIZE, N_INPUTS), torch.rand(hidden_width, N_INPUTS)
    out = torch.empty(BATCH_SIZE, hidden_width)

    def block(n: int) -> None:
        for _ in range(n):
            torch.mm(pixels, weights.t(), out=out)

    return block


def _steps(step: TrainingStep, order: torch.Tensor) -> Block:
    batches = [order[i : i + BATCH_SIZE] for i in range(0, len(order) - BATCH_SIZE + 1, BATCH_SIZE)]

    def block(n: int) -> None:
        for i in range(n):
            step(batches[i % len(batches)], 1e-3)

    return block


def measure(width: int, n_threads: int, n_rounds: int, n_steps: int) -> dict[str, Any]:
    """Return the microseconds of each side and the ratios."""
    torch.set_num_threads(n_threads)
    blocks = sides(width, N_IMAGES)
    for block in blocks.values():
        block(n_steps)
    times: dict[str, list[float]] = {name: [] for name in blocks}
    for _ in range(n_rounds):
        for name, block in blocks.items():
            start = time.perf_counter()
            block(n_steps)
            times[name].append((time.perf_counter() - start) / n_steps * 1e6)
    us = {name: min(of_side) for name, of_side in times.items()}
    product = 2 * BATCH_SIZE * N_INPUTS * width
    gflops = {name: 5 * product / time_us / 1e3 for name, time_us in us.items()}
    gflops["torch.mm"] /= 5
    return {
        "threads": n_threads,
        "width": width,
        "us": us,
        "gflops": gflops,
        "ratio": us["plain"] / us["cpu"],
        "over_reference": us["reference"] / us["cpu"],
        "of_mm": gflops["cpu"] / gflops["torch.mm"],
    }


def print_table(found: list[dict[str, Any]]) -> None:
    names = list(found[0]["us"])
    print("| threads | width | " + " | ".join(f"{name}, us" for name in names), end="")
    print(" | plain/cpu | reference/cpu | cpu, GFLOP/s | torch.mm, GFLOP/s | share |")
    print("|---" * (len(names) + 7) + "|")
    for row in found:
        times = " | ".join(f"{row['us'][name]:,.0f}" for name in names)
        speeds = f"{row['gflops']['cpu']:.0f} | {row['gflops']['torch.mm']:.0f}"
        print(
            f"| {row['threads']} | {row['width']} | {times} | {row['ratio']:.2f} | "
            f"{row['over_reference']:.2f} | {speeds} | {row['of_mm']:.2f} |"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 128, 784])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=40, help="blocks of each side")
    parser.add_argument("--steps", type=int, default=5, help="steps of a block")
    options = parser.parse_args(arguments)
    found = [
        measure(width, n_threads, options.rounds, options.steps)
        for n_threads in options.threads
        for width in options.widths
    ]
    print_table(found)
    print(json.dumps({"benchmark": "cpu_trainer", "torch": torch.__version__, "found": found}))
    sys.exit(any(_misses(row) for row in found))


def _misses(row: dict[str, Any]) -> bool:
    return row["threads"] == 1 and row["ratio"] < GOALS.get(row["width"], 0.0)


if __name__ == "__main__":
    main()
