"""Commands in processes of their own, and what is left of a study that they were killed in."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

import optuna
import psutil
from optuna.trial import TrialState
from sqlalchemy import func, select, text

from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from sweep.store.schema import sweep_trials

Found = TypeVar("Found")

#: So many that no kill finds the study over.
N_TRIALS = 120


#: A small space: configurations come again, and each shall be trained.
STUDY = f"""
study.name = "x"
study.duplicates = "train"
data.train_limit = 640
space.hidden_width = {{low = 4, high = 16}}
space.epochs = {{low = 1, high = 3}}
sampler.name = "random"
workers.retries = 20
budget.trials = {N_TRIALS}
"""


def sweep(*arguments: str, url: str, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "sweep", *arguments],
            stdout=log,
            stderr=log,
            env={**os.environ, "SWEEP_STORAGE": url, "SWEEP_ARTIFACTS": str(folder / "artifacts")},
            start_new_session=True,
        )


@contextmanager
def kill_at_the_end(process: subprocess.Popen[bytes]) -> Iterator[psutil.Process]:
    """No process of a failed test survives it."""
    tree = psutil.Process(process.pid)
    try:
        yield tree
    finally:
        for one in (*children_of(tree), tree):
            with _gone_is_fine():
                one.kill()
        process.wait()


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except psutil.NoSuchProcess:
        return


def children_of(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


#: Asked many times a second: opening a store each time, or summing a study up, took a core from it.
_opened = cache(open_store)


def n_finished(url: str) -> int:
    try:
        with _opened(url).connect() as connection:
            return connection.scalar(select(func.count(sweep_trials.c.outcome))) or 0
    except Exception:  # not there yet
        return 0


def wait_for(condition: Callable[[], Found], seconds: float = 60) -> Found:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


def assert_complete(url: str, n_trials: int = N_TRIALS) -> None:
    """Every trial finished once, with its whole curve, and Optuna's view equals ours."""
    trials = optuna.load_study(study_name="x", storage=url).trials
    assert [trial.number for trial in trials] == list(range(n_trials))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    for trial in trials:
        assert set(trial.intermediate_values) == set(range(1, trial.params["epochs"] + 1))
        assert trial.value == trial.intermediate_values[trial.params["epochs"]]
    rows = open_study(open_store(url), "x").trials()
    assert [(row.number, row.value, row.val_mse) for row in rows] == [
        (trial.number, trial.value, trial.value) for trial in trials
    ]
    with open_store(url).connect() as connection:
        doubles = connection.execute(
            text("SELECT number FROM trials GROUP BY study_id, number HAVING count(*) > 1")
        ).all()
        assert not doubles
        if url.startswith("sqlite"):
            assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
