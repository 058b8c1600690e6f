"""Time how long a GPU's worker compiles before its first trial if Triton's cache is empty.

   TRITON_INTERPRET=0 python -m benchmarks.compiling

Compiles all kernels, in both precisions, for an H100 (no GPU is needed): one after the other, and
in parallel as ``compile_kernels`` does. Each way runs in a separate process, alternating, because a
process caches what it compiled; imports are not timed. Prints the medians.

   --repeats N       (3)
   --inputs D        pixels of an image (784)
   --batch-size B    (128)
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

WAYS = ("one after the other", "all at once")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--inputs", type=int, default=784)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(compile_all(given.way, given.inputs, given.batch_size))
    else:
        compare(given.repeats, given.inputs, given.batch_size)


def compare(repeats: int, n_inputs: int, batch_size: int) -> None:
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way in WAYS:
            seconds[way].append(time_in_process(way, n_inputs, batch_size))
            print(f"{way:20} {seconds[way][-1]:6.2f} s", flush=True)
    apart, together = (statistics.median(seconds[way]) for way in WAYS)
    print(f"medians {apart:.2f} s and {together:.2f} s: {apart / together:.2f} times faster")
    line = {"benchmark": "compiling", "processors": os.cpu_count(), "seconds": seconds}
    print(json.dumps(line | {"ratio": apart / together}))


def time_in_process(way: str, n_inputs: int, batch_size: int) -> float:
    shape = ["--inputs", str(n_inputs), "--batch-size", str(batch_size)]
    command = [sys.executable, "-m", "benchmarks.compiling", "--way", way, *shape]
    environment = os.environ | {"TRITON_INTERPRET": "0"}
    return float(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)


def compile_all(way: str, n_inputs: int, batch_size: int) -> float:
    """Return the seconds of one way in a new process."""
    import torch
    import triton
    from triton.runtime import driver

    from sweep.trainer.fused.compiling import compile_kernels, compile_only, launch_each
    from sweep.trainer.fused.kernel_config import PRECISIONS
    from tests.support.compile_fused import PretendedH100

    driver.set_active(PretendedH100())
    pixels = torch.zeros((256, n_inputs), dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder:
        triton.knobs.cache.dir = folder
        began = time.perf_counter()
        if way == WAYS[1]:
            compile_kernels(pixels, batch_size=batch_size, precisions=PRECISIONS)
        else:
            for precision in PRECISIONS:
                launch_each(compile_only, pixels, batch_size=batch_size, precision=precision)
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
