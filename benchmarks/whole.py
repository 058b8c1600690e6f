"""What a user waits for: a worker's first epoch, and how busy a study keeps the device.

A part of ``python -m benchmarks.training``, which prints what comes of it; this module's own
command is the worker process that it times.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from sweep.datasets.idx import write_idx
from sweep.datasets.registry import FileNames
from sweep.names import Trainer
from sweep.trial import (
    EpochsDone,
    Event,
    Expected,
    Order,
    Train,
    TrialConfig,
    TrialSpec,
    WorkerSetup,
)

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
output = "sigmoid"
epochs = {epochs}
batch_size = {batch_size}
"""


def write_images(folder: Path, height: int, width: int, n_train: int, n_test: int) -> None:
    """Noise, in the four files of a data set."""
    rng, names = np.random.default_rng(0), FileNames()
    for n, images, labels in (
        (n_train, names.train_images, names.train_labels),
        (n_test, names.test_images, names.test_labels),
    ):
        write_idx(folder / images, rng.integers(0, 256, (n, height, width), dtype=np.uint8))
        write_idx(folder / labels, (np.arange(n) % 10).astype(np.uint8))


def first_epochs(
    folder: Path, trials: Sequence[TrialSpec], device: str
) -> dict[str, float | str | None]:
    """Seconds from starting a worker to its first finished epoch, with Triton's cache empty and
    full; its self-check is in there."""
    with tempfile.TemporaryDirectory() as cache:
        task = Path(cache, "task")
        task.write_text(json.dumps([device, str(folder), [asdict(trial) for trial in trials]]))
        environment = os.environ | {"TRITON_CACHE_DIR": str(Path(cache, "triton"))}
        found: dict[str, float | str | None] = {}
        for name in ("cold_seconds", "warm_seconds"):
            begun = time.perf_counter()
            command = [sys.executable, "-m", "benchmarks.whole", str(task)]
            done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True)
            seconds = time.perf_counter() - begun
            found[name] = seconds if done.returncode == 0 else _last_line(done.stderr)
    return found


def study(
    folder: Path,
    *,
    n_trials: int,
    epochs: int,
    widths: tuple[int, int],
    batch_size: int,
    gpus: str,
) -> dict[str, Any]:
    """``sweep start`` on SQLite: how long it took, and the share of the time between the first
    epoch and the last in which the device trained, as ``sweep status`` tells it."""
    low, high = widths
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "busy.toml")
        file.write_text(
            _STUDY.format(
                folder=folder,
                n_trials=n_trials,
                epochs=epochs,
                low=low,
                high=high,
                batch_size=batch_size,
                gpus=gpus,
            )
        )
        environment = os.environ | {"SWEEP_STORAGE": f"sqlite:///{place}/sweep.db"}
        begun = time.perf_counter()
        started = _sweep(environment, "start", str(file), "--trainer", "fused")
        seconds = time.perf_counter() - begun
        if started.returncode != 0:
            return {"reason": _last_line(started.stderr)}
        told = json.loads(_sweep(environment, "status", "busy", "--json").stdout)
    busy = [worker["busy_since_first"] for worker in told["workers"]]
    return {
        "n_trials": n_trials,
        "seconds": seconds,
        "trials_per_second": n_trials / seconds,
        "busy": busy,
    }


def _sweep(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sweep", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


def main() -> None:
    """A worker's life up to its first epoch, without the pipes."""
    device, folder, rows = json.loads(Path(sys.argv[1]).read_text())
    trials = tuple(_trial(row) for row in rows)
    from sweep.worker.work import work

    inbox: SimpleQueue[Order | WorkerSetup] = SimpleQueue()
    inbox.put(_setup(folder, trials))
    inbox.put(Train(specs=trials))
    work(device, inbox, _until_first_epoch())


def _trial(row: dict[str, Any]) -> TrialSpec:
    # Not through sweep.wire: a machine that only trains may lack pydantic.
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
        expected=Expected(
            mean_hidden_width=round(float(np.mean(widths))),
            max_hidden_width=max(widths),
            n_seeds=1,
            max_batch_size=trials[0].config.batch_size,
            n_batch_sizes=1,
        ),
        max_slots=len(trials),
    )


def _until_first_epoch() -> Callable[[Event], None]:
    def hear(event: Event) -> None:
        if isinstance(event, EpochsDone):
            os._exit(0)

    return hear


if __name__ == "__main__":
    main()
