"""Time a worker's first epoch, a worker's 1,000 trials, and a study of them.

   python -m benchmarks.whole first-epoch worker study

   first-epoch   seconds from a worker's start to its first finished epoch of the mix, including
                 its check of the card, with Triton's cache empty and full
   worker        random trials through a single worker, dispatched as by a coordinator: trials a
                 second, and the share of the time in which the device trained
   study         the same trials through ``sweep start`` on SQLite, with ``sweep status``'s share

The first two need what ``benchmarks.training`` needs; a study needs all of sweep's packages.

Options:

   --limit SECONDS   for one process (240)
   --json FILE       append each result to it
   --smoke           tiny trials on the CPU, for the tests: needs TRITON_INTERPRET=1
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch

from benchmarks.fields import EPOCHS, FULL, MIX, SMOKE, Sizes, make_trials, open_device
from benchmarks.records import Records
from sweep.config import TrialConfig
from sweep.datasets.registry import FileNames
from sweep.enums import Trainer
from sweep.messages import (
    EpochsDone,
    Event,
    Order,
    Ready,
    Shutdown,
    Train,
    TrialDiverged,
    TrialDone,
    TrialFailed,
    TrialRequest,
    TrialSpec,
    WorkerSetup,
    WorkerStats,
    WorkloadEstimate,
)
from tests.support.idx_files import write_idx

#: Packages that ``sweep start`` and ``sweep status`` load, besides those of a machine that trains.
STUDY_PACKAGES = ("alembic", "optuna", "platformdirs", "pydantic", "rich", "sqlalchemy", "typer")
_LIMIT_SECONDS = 240.0

_STUDY = """
study.name = "busy"
study.seed = 7
data.name = "{folder}"
sampler.name = "random"
budget.trials = {n_trials}
workers.gpus = "{gpus}"
[space]
hidden_width = {{ low = {low}, high = {high}, log = true }}
activation.choices = ["linear", "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]
loss.choices = ["bce", "mse", "l1", "huber"]
output_activation = "sigmoid"
epochs = {epochs}
batch_size = {batch_size}
"""

Outcome = dict[str, Any]


def measure_all(
    sizes: Sizes,
    device: torch.device,
    names: Sequence[str] = ("first-epoch", "study"),
    *,
    limit: float = _LIMIT_SECONDS,
) -> dict[str, Outcome]:
    """Measure each of these on images made for it; returns a reason for what could not run."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        n_train = sizes.n_steps * sizes.batch_size * 12 // 11
        write_images(folder, sizes.height, sizes.width, n_train, sizes.n_test)
        found = {}
        for name in names:
            print(f"{name} …", file=sys.stderr, flush=True)
            found[name.replace("-", "_")] = _MEASUREMENTS[name](folder, sizes, device, limit)
    return found


def write_images(folder: Path, height: int, width: int, n_train: int, n_test: int) -> None:
    """Write noise as the four files of a data set."""
    rng, names = np.random.default_rng(0), FileNames()
    for n, images, labels in (
        (n_train, names.train_images, names.train_labels),
        (n_test, names.test_images, names.test_labels),
    ):
        write_idx(folder / images, rng.integers(0, 256, (n, height, width), dtype=np.uint8))
        write_idx(folder / labels, (np.arange(n) % 10).astype(np.uint8))


def first_epochs(folder: Path, sizes: Sizes, device: torch.device, limit: float) -> Outcome:
    """Return the seconds from a worker's start to its first finished epoch, self-check included."""
    trials = make_trials(MIX, sizes.fields[MIX], sizes)
    with tempfile.TemporaryDirectory() as cache:
        task = Path(cache, "task")
        task.write_text(json.dumps([device.type, str(folder), [asdict(one) for one in trials]]))
        environment = os.environ | {"TRITON_CACHE_DIR": str(Path(cache, "triton"))}
        found: Outcome = {}
        for name in ("cold_seconds", "warm_seconds"):
            begun = time.perf_counter()
            done = _run(["-m", "benchmarks.whole", "--task", str(task)], environment, limit)
            seconds = time.perf_counter() - begun
            found[name] = seconds if done.returncode == 0 else _last_line(done.stderr)
    return found


def worker_study(folder: Path, sizes: Sizes, device: torch.device, limit: float) -> Outcome:
    """Train a study's trials in a single worker, in a separate process."""
    n_epochs = EPOCHS if device.type == "cuda" else 2
    trials = [
        replace(
            trial,
            config=replace(trial.config, epochs=n_epochs),
            keep_below=0.0,
        )
        for trial in make_trials(MIX, sizes.n_study, sizes)
    ]
    with tempfile.TemporaryDirectory() as place:
        task = Path(place, "task")
        task.write_text(json.dumps([device.type, str(folder), [asdict(one) for one in trials]]))
        done = _run(["-m", "benchmarks.whole", "--task", str(task), "--all"], os.environ, limit)
    if done.returncode != 0:
        return {"reason": _last_line(done.stderr)}
    return {"n_trials": len(trials)} | json.loads(done.stdout.splitlines()[-1])


def study(folder: Path, sizes: Sizes, device: torch.device, limit: float) -> Outcome:
    """Run ``sweep start`` on SQLite; return how long it took and the device's share of training.

    The share is that of the time between the first epoch and the last, as ``sweep status`` prints
    it.
    """
    missing = [name for name in STUDY_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return {"reason": f"not installed: {', '.join(missing)}"}
    on_gpu = device.type == "cuda"
    low, high = sizes.mix
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "busy.toml")
        file.write_text(
            _STUDY.format(
                folder=folder,
                n_trials=sizes.n_study,
                epochs=EPOCHS if on_gpu else 2,
                low=low,
                high=high,
                batch_size=sizes.batch_size,
                gpus="all" if on_gpu else "cpu",
            )
        )
        environment = os.environ | {"SWEEP_STORAGE": f"sqlite:///{place}/sweep.db"}
        begun = time.perf_counter()
        started = _sweep(environment, limit, "start", str(file), "--trainer", "fused")
        seconds = time.perf_counter() - begun
        if started.returncode != 0:
            return {"reason": _last_line(started.stderr)}
        told = json.loads(_sweep(environment, limit, "status", "busy", "--json").stdout)
    busy = [worker["busy_since_first"] for worker in told["workers"]]
    return {
        "n_trials": sizes.n_study,
        "seconds": seconds,
        "trials_per_second": sizes.n_study / seconds,
        "busy": busy,
    }


_MEASUREMENTS: dict[str, Callable[[Path, Sizes, torch.device, float], Outcome]] = {
    "first-epoch": first_epochs,
    "worker": worker_study,
    "study": study,
}


def _sweep(
    environment: dict[str, str], limit: float, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return _run(["-m", "sweep", *arguments], environment, limit)


def _run(
    arguments: list[str], environment: "dict[str, str] | os._Environ[str]", limit: float
) -> subprocess.CompletedProcess[str]:
    """Run Python; a process that does not end within the limit is killed and has failed."""
    command = [sys.executable, *arguments]
    try:
        return subprocess.run(
            command, env=dict(environment), capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"not done within {limit:.0f} s")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it printed nothing"])[-1]


# A worker without its pipes


def _worker(task: Path, *, all_trials: bool) -> None:
    """Run a worker up to its first epoch, or to the end of its last trial."""
    device, folder, rows = json.loads(task.read_text())
    trials = tuple(_trial(row) for row in rows)
    from sweep.worker.work import work

    setup = _setup(folder, trials)
    inbox: SimpleQueue[Order] = SimpleQueue()
    if all_trials:
        supply = Supply(trials, inbox)
        work(device, setup, inbox, supply.hear)
        print(json.dumps(supply.outcome()))
    else:
        inbox.put(Train(specs=trials))
        work(device, setup, inbox, _until_first_epoch)


def _until_first_epoch(event: Event) -> None:
    if isinstance(event, EpochsDone):
        os._exit(0)


class Supply:
    """Send the worker the trials that it requests, as a coordinator does."""

    def __init__(self, trials: Sequence[TrialSpec], inbox: "SimpleQueue[Any]") -> None:
        self._left, self._inbox = list(reversed(trials)), inbox
        self._ends, self._n = dict.fromkeys(("done", "diverged", "failed"), 0), len(trials)
        self._begun, self._seconds = time.perf_counter(), 0.0
        self._busy: float | None = None

    def hear(self, event: Event) -> None:
        """Handle an event of the worker."""
        match event:
            case Ready():
                self._begun = time.perf_counter()
            case TrialRequest(n=n):
                self._hand_out(n)
            case WorkerStats(busy_since_first=busy):
                self._busy = busy
            case TrialDone():
                self._end("done")
            case TrialDiverged():
                self._end("diverged")
            case TrialFailed():
                self._end("failed")

    def outcome(self) -> Outcome:
        """Return the seconds from Ready to the last trial's end."""
        rate = self._n / self._seconds
        return {
            "seconds": self._seconds,
            "trials_per_second": rate,
            "busy": self._busy,
            **self._ends,
        }

    def _end(self, how: str) -> None:
        self._ends[how] += 1
        self._seconds = time.perf_counter() - self._begun
        if sum(self._ends.values()) == self._n:
            self._inbox.put(Shutdown())

    def _hand_out(self, n: int) -> None:
        specs = tuple(self._left.pop() for _ in range(min(n, len(self._left))))
        if specs:
            self._inbox.put(Train(specs=specs))


def _trial(row: dict[str, Any]) -> TrialSpec:
    # Without sweep.codec, because a machine that only trains may lack pydantic.
    kinds = {name: type(value) for name, value in vars(TrialConfig()).items()}
    config = TrialConfig(**{name: kinds[name](value) for name, value in row["config"].items()})
    return TrialSpec(**{**row, "config": config, "seeds": tuple(row["seeds"])})


def _setup(folder: str, trials: Sequence[TrialSpec]) -> WorkerSetup:
    widths = [trial.config.hidden_width for trial in trials]
    return WorkerSetup(
        dataset=folder,
        validation_fraction=1 / 12,
        split_seed=0,
        pruning=False,
        trainer=Trainer.FUSED,
        expected=WorkloadEstimate(
            mean_hidden_width=round(float(np.mean(widths))),
            max_hidden_width=max(widths),
            n_seeds=1,
            max_batch_size=trials[0].config.batch_size,
            n_batch_sizes=1,
        ),
        max_slots=len(trials),
    )


# The command


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", choices=[*_MEASUREMENTS, []], metavar="NAME")
    parser.add_argument(
        "--limit", type=float, default=_LIMIT_SECONDS, help="time limit of a process"
    )
    parser.add_argument("--json", type=Path, help="append each result to this file")
    parser.add_argument("--smoke", action="store_true", help="tiny, on the CPU; times mean nothing")
    parser.add_argument("--task", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--all", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task is not None:
        _worker(options.task, all_trials=options.all)
        return
    sizes, device = SMOKE if options.smoke else FULL, open_device(smoke=options.smoke)
    records = Records(options.json)
    for name in options.names or _MEASUREMENTS:
        for what, found in measure_all(sizes, device, [name], limit=options.limit).items():
            records.add(what, **found)


if __name__ == "__main__":
    main()
