"""Run a long study with simulated workers to see whether anything grows that should not.

   python -m benchmarks.long                                   # 100,000 trials on SQLite
   python -m benchmarks.long --trials 20000 --storage postgresql://me@localhost/empty

Prints the rate of finished trials and the coordinator's memory for each tenth of the study. Then
prints the rate of the last tenth over that of the second (the first includes the start), the memory
and database size per trial, and how long it takes to resume the study: from the call to the first
trial in training, and to the first that is finished, which at ``--rate`` takes the time of 64
trials. The coordinator runs in this process and its workers in separate processes; these answer
like GPUs, at ``--rate`` trials a second each.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from sqlalchemy import Engine, text

from sweep.coordinator.progress import Progress
from sweep.coordinator.run import resume, start
from sweep.launch.resources import RunOptions
from sweep.search.samplers import quiet_optuna
from sweep.store.migrate import open_store
from sweep.studyfile import loads
from tests.support.simulated_worker import SimulatedLauncher, Simulation

N_TENTHS = 10
#: Number of trials by which the resumed study is extended.
N_MORE = 64

_STUDY = """
study.name = "long"
data.name = "fashion-mnist-mini"
sampler.name = "{sampler}"
budget.trials = {n_trials}
[space]
hidden_width = {{ low = 8, high = 1024, log = true }}
activation = {{ choices = ["relu", "gelu", "tanh", "linear"] }}
loss = {{ choices = ["bce", "mse"] }}
learning_rate = {{ low = 1e-5, high = 1e-1, log = true }}
epochs = 5
"""


class Sample(NamedTuple):
    """State of the study at a moment."""

    seconds: float
    n_finished: int
    #: Resident memory of the coordinator's process.
    memory_bytes: int


@dataclass
class Samples:
    """At least one sample for each hundredth of the study."""

    every: int
    samples: list[Sample] = field(default_factory=list)

    def __call__(self, progress: Progress) -> None:
        n = progress.n_finished
        if not self.samples or n >= self.samples[-1].n_finished + self.every:
            memory = psutil.Process().memory_info().rss
            self.samples.append(Sample(time.perf_counter(), n, memory))

    def first_at(self, n_finished: float) -> Sample:
        return next(sample for sample in self.samples if sample.n_finished >= n_finished)


def measure(engine: Engine, sampler: str, n_trials: int, n_workers: int, rate: float) -> Any:
    """Run the study and resume it."""
    study_file = loads(_STUDY.format(sampler=sampler, n_trials=n_trials), "benchmark")
    samples = Samples(every=max(1, n_trials // 100))
    options = RunOptions(gpus="cpu", cpu_workers=n_workers)
    launcher = SimulatedLauncher(Simulation(trials_per_second=rate, slots=64))
    phase = start(engine, study_file, options, samples, say=print, launcher=launcher)
    assert phase == "finished"
    found = _tenths(samples, n_trials) | _per_trial(samples, engine, n_trials)
    return found | _take_up(engine, n_trials, options, launcher)


def _tenths(samples: Samples, n_trials: int) -> dict[str, Any]:
    edges = [samples.first_at(n_trials * tenth / N_TENTHS) for tenth in range(N_TENTHS)]
    edges = list(dict.fromkeys([*edges, samples.samples[-1]]))  # a short study has fewer samples
    rates = []
    for before, after in pairwise(edges):
        rates.append((after.n_finished - before.n_finished) / (after.seconds - before.seconds))
        print(
            f"long    {after.n_finished:>7} trials: {rates[-1]:6.1f}/s, "
            f"coordinator {after.memory_bytes / 2**20:6.1f} MiB"
        )
    print(f"long    rate of the last tenth over that of the second: {rates[-1] / rates[1]:.2f}")
    return {"rates": rates, "last over second": rates[-1] / rates[1]}


def _per_trial(samples: Samples, engine: Engine, n_trials: int) -> dict[str, float]:
    later = [sample for sample in samples.samples if sample.n_finished >= n_trials / N_TENTHS]
    slope, base = np.polyfit(
        [sample.n_finished for sample in later], [sample.memory_bytes for sample in later], 1
    )
    size = database_bytes(engine) / n_trials
    print(
        f"long    coordinator's memory {base / 2**20:.0f} MiB + {slope:.0f} bytes a trial, "
        f"database {size:.0f} bytes a trial"
    )
    return {"memory_base": base, "memory_per_trial": slope, "database_per_trial": size}


def database_bytes(engine: Engine) -> int:
    """Return the size of the database on disk without its log."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            query = text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        else:
            query = text("SELECT pg_database_size(current_database())")
        return int(connection.execute(query).scalar_one())


def _take_up(
    engine: Engine, n_trials: int, options: RunOptions, launcher: SimulatedLauncher
) -> dict[str, float]:
    """Return the seconds until the first trial is in training, and until one is finished."""
    began = time.perf_counter()
    first: dict[str, float] = {}

    def observe(progress: Progress) -> None:
        seconds = time.perf_counter() - began
        if any(worker.n_training for worker in progress.workers):
            first.setdefault("resume_seconds", seconds)
        if progress.n_finished > n_trials:
            first.setdefault("first_finished_seconds", seconds)

    more = n_trials + N_MORE
    resume(engine, "long", options, observe, say=print, trials=more, launcher=launcher)
    print(
        f"long    resumed: the first trial in training after "
        f"{first['resume_seconds']:.2f} s, finished after {first['first_finished_seconds']:.2f} s"
    )
    return first


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--sampler", default="random", choices=("random", "tpe"))
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=100.0, help="trials a second of each worker")
    parser.add_argument("--storage", help="an empty database; without it SQLite in a new folder")
    given = parser.parse_args()
    quiet_optuna()
    with tempfile.TemporaryDirectory() as folder:
        engine = open_store(given.storage or f"sqlite:///{Path(folder, 'long.db')}", create=True)
        found = measure(engine, given.sampler, given.trials, given.workers, given.rate)
        said = {"benchmark": "long", **vars(given), "storage": engine.dialect.name, **found}
        engine.dispose()
    print(json.dumps(said))


if __name__ == "__main__":
    main()
