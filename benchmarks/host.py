"""Measure the CPU time per trial of the thread that feeds the device.

   TRITON_INTERPRET=1 python -m benchmarks.host

Admits a population of equal trials, trains it for five epochs and removes it, on 55,040 made-up
images of 28 x 28. Kernels are not launched, and the device's arrays are torch's meta tensors, which
have shapes and no numbers, so the device's work and all copies take no time. The rest is the host's
own work, in CPU time of the main thread; the threads that draw random numbers are not counted.

   admit    trials are admitted
   launch   an epoch is launched: orders, initial weights, the work lists of the device
   collect  an epoch's numbers are read
   results  a trial's result, without weights and pictures, and the release of its slot

The host's work is more on a GPU, where torch passes every copy and operation to the driver, and
copies use page-locked memory.

Options:

   --widths H …   hidden units (32, 200, 784)
   --rounds N     number of rounds, of which the median counts (5)
   --smoke        small sizes, for the tests
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.fields import FULL, SMOKE, Sizes, make_data, make_trials
from sweep.messages import TrialSpec
from sweep.trainer.data import DeviceData
from sweep.trainer.fused import FusedTrainer, arrays, launches, schedule, trainer

CPU = torch.device("cpu")

EPOCHS = 5
PARTS = ("admit", "launch", "collect", "results")

#: Stand-in for a device that takes no time.
NOWHERE = torch.device("meta")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 200, 784])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="small sizes, for the tests")
    options = parser.parse_args()
    torch.set_num_threads(1)
    launches.run = lambda *_, **__: None
    trainer.to_cpu = arrays.to_cpu = copy_back
    arrays.to_device = schedule.to_device = send
    sizes = SMOKE if options.smoke else FULL
    data = make_data(sizes, CPU)
    data = replace(data, train=data.train.to(NOWHERE))
    measure(data, 8, 2, sizes)  # loads what torch loads at its first use
    for width in options.widths:
        n = 3 if options.smoke else 256
        rounds = [measure(data, width, n, sizes) for _ in range(options.rounds)]
        medians = {part: statistics.median(one[part] for one in rounds) for part in PARTS}
        total = sum(medians.values())
        parts = ", ".join(f"{part} {1e3 * medians[part]:.2f}" for part in PARTS)
        print(f"H = {width}, {n} trials: {1e3 * total:.2f} ms a trial ({parts})", file=sys.stderr)
        record = {"benchmark": "host", "hidden_width": width, "trials": n, "epochs": EPOCHS}
        print(json.dumps(record | {"seconds": medians, "sum": total}), flush=True)


def send(values: Tensor, device: torch.device) -> Tensor:
    """Stand-in for a copy to a GPU through memory that would be page-locked."""
    return values.contiguous().clone().to(device)


def copy_back(values: Tensor) -> Tensor:
    """Stand-in for a copy from the device: reports are 0, and weights are uninitialized."""
    make = torch.zeros if values.dtype is torch.float64 else torch.empty
    return make(values.shape, dtype=values.dtype)


def measure(data: DeviceData, width: int, n: int, sizes: Sizes) -> dict[str, float]:
    """Return the seconds a trial, by part."""
    rows = n * math.ceil(width / 32) * 32
    fused = FusedTrainer(data, NOWHERE, batch_size=sizes.batch_size, rows=rows, slots=n)
    fused._train_steps = lambda n_steps: None
    fused._validate_step = fused._test_step = lambda: None
    spent = dict.fromkeys(PARTS, 0.0)

    @contextmanager
    def add_time(part: str) -> Iterator[None]:
        begun = time.thread_time()
        yield
        spent[part] += time.thread_time() - begun

    specs = [_typical(spec) for spec in make_trials(str(width), n, sizes)]
    with add_time("admit"):
        for spec in specs:
            if not fused.admit(spec):
                raise RuntimeError(f"no room for trial {spec.number} in a population made for it.")
    for _ in range(EPOCHS):
        with add_time("launch"):
            launched = fused.launch_epoch()
        with add_time("collect"):
            fused.collect(launched)
    with add_time("results"):
        for spec in specs:
            fused.result(spec.number)
            fused.release(spec.number)
    fused.close()
    return {part: seconds / n for part, seconds in spent.items()}


def _typical(spec: TrialSpec) -> TrialSpec:
    """Return a typical trial that is not among the best: it sends neither weights nor pictures."""
    return replace(
        spec,
        config=replace(spec.config, epochs=EPOCHS),
        keep_below=-math.inf,
    )


if __name__ == "__main__":
    main()
