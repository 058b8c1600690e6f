"""Check and time each kernel of a training step alone.

   python -m benchmarks.kernels 32 128 784 mix

First launches each kernel once for a few trials, in both precisions, and compares every array with
that of its torch twin in float64 (``tests.support.kernel_cases``).

Then fills a population for each field. Each launch of a step is captured 20 times in a separate
CUDA graph, so that its time contains no host time; the step itself is timed in a graph, too.

   us              time of a launch, the median of 7 replays
   tb_s            memory traffic over time, if each array is read and written once
   share_of_copy   tb_s over the bandwidth of a large copy, in this run
   share_of_bound  lower bound of the time over the time (``benchmarks.bounds``), with this card's
                   memory bandwidth

Options:

   --only NAME … kernels to compare with their twins (all); the step is timed with all
   --json FILE   append each result to it
   --profile     launch each kernel once, between cudaProfilerStart and Stop; nothing else
   --smoke       tiny fields (9, mix) on the CPU, for the tests: needs TRITON_INTERPRET=1
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from statistics import median

import torch

from benchmarks.bounds import busy, launch_bytes
from benchmarks.contact.options import stage_parser
from benchmarks.contestants.fused import INTERPRETED, admit, make_population
from benchmarks.fields import (
    FULL,
    SMOKE,
    Sizes,
    copy_bytes_per_second,
    make_data,
    make_trials,
    open_device,
)
from benchmarks.records import Records
from sweep.trainer.fused.graphs import repeatable
from sweep.trainer.fused.kernel_config import PRECISIONS
from tests.support.kernel_cases import differences, make_case, written
from tests.support.kernel_twins import TWINS

#: Launches in a graph, and replays, of which the median counts.
N_LAUNCHES, REPLAYS = 20, 7
#: Steps in a graph of the whole step.
N_STEPS = 16
#: Largest difference of an array from its twin's, relative to its largest number. tf32 cuts factors
#: to 10 bits: 4e-3 for a first moment in an emulation. A wrong kernel differs by about 1.
ALLOWED = {"ieee": 1e-5, "tf32": 2e-2}


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("fields", nargs="*", metavar="FIELD")
    parser.add_argument("--only", nargs="+", choices=list(TWINS), default=list(TWINS))
    parser.add_argument("--profile", action="store_true", help="launch each kernel once, untimed")
    options = parser.parse_args()
    sizes = SMOKE if options.smoke else FULL
    records, device = Records(options.json), open_device(smoke=options.smoke)
    bandwidth = copy_bytes_per_second(sizes.copy_bytes, device)
    records.add("copy", tb_s=bandwidth / 1e12)
    if not options.profile:
        for precision in ["ieee"] if options.smoke else PRECISIONS:
            compare(records, device, precision, options.only, smoke=options.smoke)
    for name in options.fields or sizes.fields:
        field = Prepared(name, sizes, device)
        if options.profile:
            field.profile()
        else:
            field.time(records, bandwidth)
        field.trainer.close()


# Comparison with torch


def compare(
    records: Records,
    device: torch.device,
    precision: str,
    kernels: Iterable[str],
    *,
    smoke: bool,
) -> None:
    """Launch each kernel once, and record the difference of each array from its twin's."""
    shape = {"batch_size": 24, "n_inputs": 40} if smoke else {"batch_size": 128, "n_inputs": 784}
    config = INTERPRETED if smoke else PRECISIONS[precision]
    for kernel in kernels:
        chained = replace(config, chain_steps=2, single_block_examples=128)
        case = make_case(
            kernel,
            device,
            config=chained if kernel == "train_chain" else config,
            precision=precision,
            last=True,
            **shape,
        )
        for array, difference in differences(case).items():
            if array in written(case) or difference > 0:
                records.add(
                    "compared",
                    precision=precision,
                    kernel=kernel,
                    array=array,
                    difference=difference,
                    allowed=ALLOWED[precision],
                )


# Timing


class Prepared:
    """A full population of a field, before a step."""

    def __init__(self, name: str, sizes: Sizes, device: torch.device) -> None:
        self.name, self.device = name, device
        trials = make_trials(name, sizes.fields[name], sizes)
        self.widths = [trial.config.hidden_width for trial in trials]
        self.trainer = make_population(trials, make_data(sizes, device), device)
        for trial in trials:
            admit(self.trainer, trial)
        self.population = self.trainer._population
        self.kernels = self.population.step_kernels()
        # Once, because the random numbers that it sends are those of one epoch.
        self.trainer._prepare(tuple(self.trainer._trials.values()))

    def run(self, kernel: str) -> None:
        """Make one launch."""
        self.population._launch(kernel, self.population.training_arguments())

    def profile(self) -> None:
        """Launch each kernel once between cudaProfilerStart and Stop."""
        for kernel in self.kernels:
            self.run(kernel)  # compiles it, and fills the caches as in a step
        torch.cuda.profiler.start()
        for kernel in self.kernels[1:]:
            self.run(kernel)
        torch.cuda.synchronize(self.device)
        torch.cuda.profiler.stop()

    def time(self, records: Records, bandwidth: float) -> None:
        """Time each kernel, then the step; bandwidth is a copy's, in bytes a second."""
        total = 0.0
        for kernel in self.kernels:
            us = microseconds(partial(self.run, kernel), N_LAUNCHES, self.device)
            total += us
            if kernel == "begin_step":  # each launch has advanced it by a step
                self.population.start_epoch()
                self.run(kernel)
            shape = self.population.shape
            n_bytes = launch_bytes(kernel, self.widths, shape.n_inputs, shape.batch_size)
            records.add(
                "kernel",
                field=self.name,
                kernel=kernel,
                us=us,
                us_slot=us / len(self.widths),
                tb_s=n_bytes / us / 1e6 if n_bytes else None,
                share_of_copy=n_bytes / us / bandwidth * 1e6 if n_bytes else None,
                share_of_bound=self._bound_over(us, kernel, bandwidth),
            )
        self.population.start_epoch()
        graph_us = microseconds(self.population.train_step, N_STEPS, self.device)
        floor = sum(self.trainer._shape.step_bytes(width) for width in self.widths) / bandwidth
        records.add(
            "step",
            field=self.name,
            graph_us=graph_us,
            kernels_us=total,
            graph_over_kernels=graph_us / total,
            floor_us=floor * 1e6,
            share_of_floor=floor * 1e6 / graph_us,
            slots=len(self.widths),
        )

    def _bound_over(self, us: float, kernel: str, bandwidth: float) -> float | None:
        """Return the bound over the time, or None for a kernel or shape that was not counted."""
        shape = self.population.shape
        if (shape.n_inputs, shape.batch_size) != (784, 128):
            return None
        try:
            parts = busy(kernel, self.widths, shape.n_inputs, shape.batch_size, bandwidth)
        except KeyError:
            return None
        return max(parts) / us


def microseconds(do: Callable[[], None], n: int, device: torch.device) -> float:
    """Return the time of one launch, from a graph of n launches; a CPU runs one without a graph."""
    if device.type != "cuda":
        begun = time.perf_counter()
        do()
        return (time.perf_counter() - begun) * 1e6

    def repeat() -> None:
        for _ in range(n):
            do()

    replay, found = repeatable(repeat, device), []
    for _ in range(REPLAYS + 1):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        replay()
        last.record()
        last.synchronize()
        found.append(first.elapsed_time(last) * 1e3 / n)
    return median(found[1:])


if __name__ == "__main__":
    main()
