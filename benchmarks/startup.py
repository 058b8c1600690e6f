"""Measure the time of a `sweep start` before its first trained step and after its last one.

   python -m benchmarks.startup
   python -m benchmarks.startup --trials 4 --rounds 3 --options --workers 1

Runs the quickstart with a few trials. Prints the seconds from the command's start to each point,
for the round with the median first step. The commands are real; their processes record the points
themselves (``startup_marks``).

Exits with 1 if the median time to the first trained step is above --most.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from sweep.launch.devices import n_cores

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "studies" / "quickstart.toml"
#: Steps of an epoch: 5,500 images in batches of 128.
N_STEPS = 43
MOST_SECONDS = 4.0

#: Reported points of a run in this order, each with its mark.
POINTS = {
    "loaded:sweep.cli.application": "command line loaded",
    "loaded:sweep.studyfile": "study files can be read",
    "worker process": "process that loads torch for the workers runs",
    "loaded:optuna": "Optuna loaded",
    "loaded:sqlalchemy": "SQLAlchemy loaded",
    "loaded:sweep.coordinator.run": "coordinator loaded",
    "said:WorkerSetup": "study opened, first worker's setup sent",
    "loaded:torch": "torch loaded",
    "said:Ready": "first worker ready",
    "said:Train": "first trial dispatched",
    "first step": "first step trained",
    "last epoch": "last epoch trained",
    "last result": "last result sent: tested, with pictures",
    "end": "command ended",
}


class Mark(NamedTuple):
    """A point that a process reached."""

    at: float
    pid: int
    name: str
    value: float


def run(n_trials: int, options: list[str]) -> dict[str, float]:
    """Return the seconds from the command's start to each of POINTS."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sitecustomize.py").write_text(
            "from benchmarks.startup_marks import install\ninstall()\n"
        )
        marks = Path(folder, "marks")
        environment = os.environ | {
            "SWEEP_MARKS": str(marks),
            "PYTHONPATH": os.pathsep.join([folder, str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        command = [sys.executable, "-m", "sweep", "start", str(QUICKSTART), *options]
        command += ["--set", f"budget.trials={n_trials}"]
        command += ["--storage", f"sqlite:///{folder}/sweep.db"]
        begun = time.time()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        ended = time.time()
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr}")
        return points(read_marks(marks.read_text()), begun, ended)


def read_marks(text: str) -> list[Mark]:
    """Return the marks of all processes, the earliest first."""
    rows = (line.split() for line in text.splitlines())
    return sorted(Mark(float(at), int(pid), name, float(value)) for at, pid, name, value in rows)


def points(marks: list[Mark], begun: float, ended: float) -> dict[str, float]:
    """Return when the first process reached each point; an epoch's mark is at its end."""
    found: dict[str, float] = {}
    for mark in marks:
        found.setdefault(mark.name, mark.at)
    found["worker process"] = [mark.at for mark in marks if mark.name == "process"][1]
    epochs = [mark for mark in marks if mark.name == "said:EpochsDone"]
    found["first step"] = min(mark.at - mark.value * (1 - 1 / N_STEPS) for mark in epochs)
    found["last epoch"] = epochs[-1].at
    found["last result"] = [mark.at for mark in marks if mark.name == "said:TrialDone"][-1]
    found["end"] = ended
    return {name: found[name] - begun for name in POINTS if name in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--most", type=float, default=MOST_SECONDS, help="most seconds to a first step"
    )
    parser.add_argument(
        "--options", nargs=argparse.REMAINDER, default=[], help="options of `sweep start`"
    )
    options = parser.parse_args()
    runs = [run(options.trials, options.options) for _ in range(options.rounds)]
    first = statistics.median_low(reached["first step"] for reached in runs)
    chosen = next(reached for reached in runs if reached["first step"] == first)
    for name, seconds in chosen.items():
        print(f"{seconds:7.2f}  {POINTS[name]}")
    line: dict[str, Any] = {
        "benchmark": "startup",
        "cores": n_cores(),
        "first_step_seconds": first,
        "end_seconds": statistics.median(r["end"] - r["last epoch"] for r in runs),
        "most": options.most,
        "points": chosen,
    }
    print(json.dumps(line))
    sys.exit(first > options.most)


if __name__ == "__main__":
    main()
