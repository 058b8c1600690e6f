"""Check the fused trainer on a new GPU: correctness, speed, and recommendations.

   python -m benchmarks.first_contact              # the first call, 9.5 minutes
   python -m benchmarks.first_contact --call 2     # variants of the kernels, counters, races
   python -m benchmarks.first_contact --call 3     # other trainers to compare with, and the tests
   python -m benchmarks.first_contact --read DIR   # the report of earlier calls

Needs a GPU and torch, Triton, numpy, psutil, safetensors, Pillow and SciPy. If anything else that a
stage needs is missing (JAX, sweep's other packages, ncu, compute-sanitizer, pytest), the report
names it, and the stage measures the rest.

Each stage runs in a separate process with a time limit, and writes each result at once as a line of
JSON to its own file in the output folder; a stage that fails or takes too long does not affect the
others. A call takes ten minutes at most, so three calls fit into half an hour. Each call ends with
a report: how the stages ended, tables of the kernels, of populations and of variants, the findings
with recommendations, and the next command. ``--read`` combines the folders of several calls.

Options:

   --call N          which stages: 1 (the default), 2 or 3
   --stages NAME …   these stages instead
   --output DIR      output folder ($OUT if that is set, else ./first-contact)
   --read DIR …      folders of earlier calls to include in the report; alone, nothing runs
   --seconds S       time limit of all stages together (570)
   --smoke           tiny, in Triton's interpreter, for the tests; its times mean nothing
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contact.report import read_folders, write_report
from benchmarks.contact.running import Outcome, run_stage
from benchmarks.contact.stages import BY_NAME, CALL_SECONDS, CALLS, Stage, stages_of


def main() -> None:
    options = _options()
    # With the tests' TRITON_INTERPRET=1 the kernels would run in the interpreter for hours.
    os.environ["TRITON_INTERPRET"] = str(int(options.smoke))
    if options.run and not options.smoke and not has_gpu():
        sys.exit("first_contact: torch finds no GPU. --smoke runs everything without one.")
    outcomes = run_stages(options.run, options.output, options.seconds, smoke=options.smoke)
    folders = [*options.read, *([options.output] if options.run else [])]
    print(*write_report(read_folders(folders)), sep="\n", flush=True)
    sys.exit(any(outcome is not Outcome.DONE for outcome in outcomes))


def has_gpu() -> bool:
    """Return whether torch can use a GPU; asks in another process, so that this one holds none."""
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", code]).returncode == 0


def run_stages(
    stages: Sequence[Stage], folder: Path, seconds: float, *, smoke: bool
) -> list[Outcome]:
    """Run stages in order, also after failures; return their outcomes."""
    folder.mkdir(parents=True, exist_ok=True)
    begun, outcomes = time.perf_counter(), []
    for stage in stages:
        left = seconds - (time.perf_counter() - begun)
        print(f"{stage.name} …", file=sys.stderr, flush=True)
        ended = run_stage(stage, folder, seconds_left=left, smoke=smoke)
        outcomes.append(ended.outcome)
        print(f"{stage.name}: {ended.outcome} after {ended.seconds:.1f} s", flush=True)
    return outcomes


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--call", type=int, choices=CALLS)
    parser.add_argument("--stages", nargs="+", choices=list(BY_NAME), metavar="NAME")
    parser.add_argument("--output", type=Path, help="where files go")
    parser.add_argument("--read", type=Path, nargs="+", default=[], help="folders of earlier calls")
    parser.add_argument("--seconds", type=float, default=CALL_SECONDS, help="for all stages")
    parser.add_argument(
        "--smoke", action="store_true", help="tiny, in the interpreter; times mean nothing"
    )
    options = parser.parse_args()
    for folder in options.read:
        if not folder.is_dir():
            parser.error(f"there is no folder {folder}.")
    options.output = options.output or Path(os.environ.get("OUT") or "first-contact")
    options.run = _stages(options)
    return options


def _stages(options: argparse.Namespace) -> list[Stage]:
    if options.stages:
        return [BY_NAME[name] for name in options.stages]
    if options.read and options.call is None:
        return []
    return stages_of(options.call or CALLS[0])


if __name__ == "__main__":
    main()
