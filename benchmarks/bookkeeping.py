"""Compare the cost of a trial's bookkeeping in sweep and in Optuna.

   python -m benchmarks.bookkeeping                           # every part, on SQLite
   python -m benchmarks.bookkeeping write open --storage postgresql://me@localhost/empty

Parts:

   write     ask + 5 params + 5 reports + tell, in populations of 64, with the random sampler, for
             studies that have N trials already; counts statements and commits. sweep writes more
             than Optuna (curves, test results, attempts, the lease).
   keep-up   complete studies with workers that answer like GPUs, at a given rate: the share of the
             rate that is reached, and the share of the time that the simulated devices wait
   open      opening a study of N trials and asking once
   read      `sweep list`, `status` and `best` on 100,000 trials, and the queries of a page

``benchmarks.sampling`` measures what an ask costs with tpe, and whether it searches as well. Times
are medians. The two sides alternate, so that other load on the machine affects both alike.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from sqlalchemy import Engine, event

from sweep.coordinator.progress import Progress
from sweep.coordinator.run import start
from sweep.coordinator.study_state import StudyState
from sweep.coordinator.warm_start import WarmStart
from sweep.launch.resources import RunOptions
from sweep.messages import EpochDone, EpochMetrics, TestMetrics, TrialDone, TrialSpec
from sweep.search.configurations import suggest_config
from sweep.search.samplers import quiet_optuna
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from sweep.store.study import hold_study
from sweep.studyfile import StudyFile, loads
from tests.support.simulated_worker import SimulatedLauncher, Simulation
from tests.support.synthetic import EPOCHS, add_study

POPULATION = 64
N_POPULATIONS = 7
SIZES = (100, 1_000, 10_000)


# --- write --------------------------------------------------------------------------------------


@dataclass
class Counts:
    """Counts of the statements and commits of an engine."""

    statements: int = 0
    commits: int = 0

    def watch(self, engine: Engine) -> None:
        event.listen(engine, "before_cursor_execute", self._statement)
        event.listen(engine, "commit", self._commit)

    def _statement(self, *_: Any) -> None:
        self.statements += 1

    def _commit(self, *_: Any) -> None:
        self.commits += 1


class Side(Protocol):
    """Interface of one side of the comparison."""

    engine: Engine

    def population(self) -> None:
        """Ask, report and tell a population of trials."""


class Ours:
    """sweep: the coordinator's study state and buffered writer, as its loop uses them."""

    def __init__(self, url: str, name: str) -> None:
        self.engine = open_store(url)
        opened = hold_study(self.engine, name)
        self._writer = opened.writer
        study_file = _file(self.engine, name, "random")
        self._study_state = StudyState(opened, study_file, Path(), WarmStart())
        self._study_state.source.extend(1_000_000)

    def population(self) -> None:
        asked = [self._study_state.ask("w0") for _ in range(POPULATION)]
        trials = [trial for trial in asked if trial is not None]
        self._writer.flush()
        for epoch in range(1, EPOCHS + 1):
            for trial in trials:
                trial.report(_epoch_done(trial.spec, epoch))
                self._study_state.report(trial)
        for trial in trials:
            self._study_state.complete(trial, _make_result(trial.spec))
        self._writer.flush()


class Optunas:
    """Optuna: `study.ask`, `suggest_…`, `report` and `tell` on its own SQL storage."""

    def __init__(self, url: str, name: str) -> None:
        self._file = _file(open_store(url), name, "random")
        storage = RDBStorage(url)
        self.engine = storage.engine
        self._study = optuna.load_study(
            study_name=name, storage=storage, sampler=RandomSampler(seed=0)
        )

    def population(self) -> None:
        trials = [self._study.ask() for _ in range(POPULATION)]
        for trial in trials:
            suggest_config(trial, self._file)
        for epoch in range(1, EPOCHS + 1):
            for trial in trials:
                trial.report(0.1 / epoch, epoch)
        for trial in trials:
            self._study.tell(trial, 0.1 / EPOCHS)


def _file(engine: Engine, name: str, sampler: str) -> StudyFile:
    text = open_study(engine, name).record().study_file
    return loads(text + f'\n[sampler]\nname = "{sampler}"\n', "benchmark")


def _epoch_done(spec: TrialSpec, epoch: int) -> EpochDone:
    error = 0.1 / epoch + 1e-6 * spec.number
    metrics = EpochMetrics(train_loss=error, val_mse=error, val_bce=0.25 + error, seconds=0.1)
    return EpochDone(number=spec.number, attempt=spec.attempt, epoch=epoch, metrics=(metrics,))


def _make_result(spec: TrialSpec) -> TrialDone:
    result = TestMetrics(
        test_mse=0.02,
        test_bce=0.27,
        psnr=17.0,
        exact_pixel_share=0.4,
        per_class_mse=(0.02,) * 10,
        n_parameters=1,
    )
    return TrialDone(
        number=spec.number,
        attempt=spec.attempt,
        results=(result,),
        train_seconds=0.5,
        reconstructions_png=None,
        errors_png=None,
        weights=None,
    )


class Cost(NamedTuple):
    """Cost of one trial."""

    milliseconds: float
    statements: float
    commits: float


def measure_write(url: str) -> dict[str, Any]:
    """Measure both sides at every size."""
    found: dict[str, Any] = {}
    for size in SIZES:
        costs = _take_turns({"ours": Ours, "optuna": Optunas}, url, size)
        ratio = costs["optuna"].milliseconds / costs["ours"].milliseconds
        for name, cost in costs.items():
            print(
                f"write   {size:>6} trials  {name:<7}{cost.milliseconds:8.3f} ms  "
                f"{cost.statements:7.3f} statements  {cost.commits:6.3f} commits a trial"
            )
        print(f"write   {size:>6} trials  ratio {ratio:.1f}")
        found[str(size)] = {
            **{name: cost._asdict() for name, cost in costs.items()},
            "ratio": ratio,
        }
    ours = [found[str(size)]["ours"]["milliseconds"] for size in SIZES]
    found["largest over smallest"] = ours[-1] / ours[0]
    print(f"write   ours at {SIZES[-1]} over {SIZES[0]} trials: {ours[-1] / ours[0]:.2f}")
    return found


def _take_turns(
    sides: Mapping[str, Callable[[str, str], Side]], url: str, size: int
) -> dict[str, Cost]:
    made: dict[str, Side] = {}
    counts = {name: Counts() for name in sides}
    for name, side in sides.items():
        add_study(open_store(url), f"{name}-{size}", size)
        made[name] = side(url, f"{name}-{size}")
        made[name].population()  # compiles statements and reads pages
        counts[name].watch(made[name].engine)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(N_POPULATIONS):
        for name, side_made in made.items():
            began = time.perf_counter()
            side_made.population()
            seconds[name].append(time.perf_counter() - began)
    n = POPULATION * N_POPULATIONS
    return {
        name: Cost(
            1e3 * statistics.median(seconds[name]) / POPULATION,
            counts[name].statements / n,
            counts[name].commits / n,
        )
        for name in sides
    }


# --- keep up ------------------------------------------------------------------------------------


class Load(NamedTuple):
    """Workers that answer like GPUs, and the size of their study."""

    sampler: str
    n_workers: int
    trials_per_second: float
    n_trials: int


LOADS = (
    Load("tpe", 1, 250.0, 1_000),
    Load("tpe", 1, 250.0, 10_000),
    Load("random", 1, 250.0, 1_000),
    Load("random", 8, 100.0, 8_000),
)

_STUDY = """
[study]
name = "{name}"
[data]
name = "fashion-mnist-mini"
[space]
hidden_width = {{ low = 8, high = 1024, log = true }}
activation = {{ choices = ["relu", "gelu", "tanh", "linear"] }}
loss = {{ choices = ["bce", "mse"] }}
learning_rate = {{ low = 1e-5, high = 1e-1, log = true }}
epochs = {{ low = 3, high = 7 }}
[space.optimizer]
choices = ["adam", "sgd"]
when.sgd.momentum = {{ low = 0.0, high = 0.99 }}
[sampler]
name = "{sampler}"
[budget]
trials = {n_trials}
"""


def measure_keep_up(url: str) -> dict[str, Any]:
    """Measure for each load what share of the offered rate is reached."""
    found = {}
    for load in LOADS:
        name = f"{load.sampler}, {load.n_workers} x {load.trials_per_second:g}/s"
        kept = run_load(url, load, f"keep-up-{load.sampler}-{load.n_workers}-{load.n_trials}")
        print(
            f"keep-up {name:<18} {load.n_trials:>6} trials: {kept['rate']:6.1f}/s of "
            f"{kept['offered']:g}/s = {kept['share']:.2f}; devices wait {kept['waiting']:.2f}; "
            f"{kept['statements']:.2f} statements, {kept['commits']:.3f} commits a trial"
        )
        found[f"{name}, {load.n_trials} trials"] = kept
    return found


def run_load(url: str, load: Load, name: str) -> dict[str, float]:
    """Run a complete study under a load; return its rates and counts."""
    engine, counts = open_store(url), Counts()
    counts.watch(engine)
    seen: list[tuple[float, int]] = []
    busy: dict[str, float] = {}

    def observe(progress: Progress) -> None:
        seen.append((time.monotonic(), progress.n_finished))

    phase = start(
        engine,
        loads(_STUDY.format(name=name, **load._asdict()), "benchmark"),
        RunOptions(gpus="cpu", cpu_workers=load.n_workers),
        observe,
        say=print,
        launcher=SimulatedLauncher(Simulation(trials_per_second=load.trials_per_second, slots=64)),
    )
    assert phase == "finished"
    for worker in open_study(engine, name).workers():
        if worker.busy_since_first is not None:
            busy[worker.name] = worker.busy_since_first
    # Counts from the first delivery of the devices to the last trial: starting them is not waiting.
    (began, first), (ended, last) = _between(seen, load.n_trials)
    rate = (last - first) / (ended - began)
    offered = load.n_workers * load.trials_per_second
    return {
        "rate": rate,
        "offered": offered,
        "share": rate / offered,
        "waiting": 1 - statistics.fmean(busy.values()),
        "statements": counts.statements / load.n_trials,
        "commits": counts.commits / load.n_trials,
    }


def _between(
    seen: list[tuple[float, int]], n_trials: int
) -> tuple[tuple[float, int], tuple[float, int]]:
    first = next(sample for sample in seen if sample[1] >= n_trials // 20)
    last = next(sample for sample in seen if sample[1] >= n_trials)
    return first, last


# --- open and read ------------------------------------------------------------------------------


def measure_open(url: str) -> dict[str, Any]:
    """Time opening a study of 10,000 trials and asking once; the sides alternate."""
    name = f"open-{SIZES[-1]}"
    add_study(open_store(url), name, SIZES[-1])
    sides = {"ours": _open_ours, "optuna": _open_optunas}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(3):
        for side, opening in sides.items():
            began = time.perf_counter()
            opening(url, name)
            seconds[side].append(time.perf_counter() - began)
    ours, optunas = (statistics.median(seconds[side]) for side in sides)
    ratio = optunas / ours
    print(f"open    {SIZES[-1]} trials: ours {ours:.2f} s, optuna {optunas:.2f} s, {ratio:.1f}")
    return {"ours": ours, "optuna": optunas, "ratio": ratio}


def _open_ours(url: str, name: str) -> None:
    engine = open_store(url)
    opened = hold_study(engine, name)
    study_state = StudyState(opened, _file(engine, name, "random"), Path(), WarmStart())
    study_state.source.extend(1_000_000)
    study_state.ask("w0")
    opened.writer.release()


def _open_optunas(url: str, name: str) -> None:
    study = optuna.load_study(
        study_name=name, storage=RDBStorage(url), sampler=RandomSampler(seed=0)
    )
    suggest_config(study.ask(), _file(open_store(url), name, "random"))


def measure_read(url: str) -> dict[str, Any]:
    """Time commands, Python's start included, and the queries of a page, on 100,000 trials."""
    name, size = "read-100000", 100_000
    add_study(open_store(url), name, size)
    found: dict[str, Any] = {}
    for command in (("list",), ("status", name), ("best", name)):
        found[command[0]] = _seconds_of_command(url, *command)
    study = open_study(open_store(url), name)
    for what, query in {
        "all trials as columns": study.table,
        "what is new": study.table,
        "revision": study.revision,
        "summary": study.summary,
    }.items():
        began = time.perf_counter()
        query()
        found[what] = time.perf_counter() - began
    for what, seconds in found.items():
        print(f"read    {size} trials: {what:<22} {seconds:6.3f} s")
    return found


def _seconds_of_command(url: str, *arguments: str) -> float:
    command = [sys.executable, "-m", "sweep", *arguments, "--storage", url]
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


MEASURES = {
    "write": measure_write,
    "keep-up": measure_keep_up,
    "open": measure_open,
    "read": measure_read,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(MEASURES))
    parser.add_argument("--storage", help="an empty database; without it SQLite in a new folder")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(MEASURES):
        parser.error(f"unknown parts: {', '.join(unknown)}. Known: {', '.join(MEASURES)}.")
    quiet_optuna()
    with tempfile.TemporaryDirectory() as folder:
        url = options.storage or f"sqlite:///{Path(folder) / 'bookkeeping.db'}"
        engine = open_store(url, create=True)
        full_url = engine.url.render_as_string(hide_password=False)
        parts = options.parts or list(MEASURES)
        found = {part: MEASURES[part](full_url) for part in parts}
        backend = engine.url.get_backend_name()
        engine.dispose()
    print(json.dumps({"benchmark": "bookkeeping", "storage": backend, **found}))


if __name__ == "__main__":
    main()
