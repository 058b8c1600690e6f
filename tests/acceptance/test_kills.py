"""kill -9 at random moments, real processes: nothing lost, nothing twice.

A worker and the coordinator of a study that trains are killed while it runs; `sweep resume` goes
on. `test_chaos.py` kills several of both, in SQLite and PostgreSQL, with simulated workers.
"""

import random
import signal
import time
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from tests.support.cli_runner import Cli
from tests.support.processes import (
    N_TRIALS,
    STUDY,
    assert_complete,
    children_of,
    kill_at_the_end,
    n_finished,
    sweep,
    wait_for,
)


@pytest.mark.usefixtures("forked_workers")
def test_a_study_survives_the_death_of_a_worker_and_of_its_coordinator(
    cli: Cli, tmp_path: Path
) -> None:
    dice = random.Random(5)
    url = f"sqlite:///{tmp_path / 'x.db'}"
    (tmp_path / "x.toml").write_text(STUDY)
    process = sweep("start", str(tmp_path / "x.toml"), "--gpus", "cpu", url=url, folder=tmp_path)
    with kill_at_the_end(process) as tree:
        wait_for(lambda: n_finished(url) >= 3)
        workers = children_of(tree)
        assert workers
        dice.choice(workers).send_signal(signal.SIGKILL)
        goal = n_finished(url) + dice.randint(1, 4)
        wait_for(lambda: n_finished(url) >= goal)
        workers = children_of(tree)
        time.sleep(dice.random() * 0.3)
        tree.send_signal(signal.SIGKILL)
        process.wait()
        # Workers notice by themselves that their coordinator is gone.
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert not alive
    assert n_finished(url) < N_TRIALS, "killed too late to matter"
    resumed = cli("resume", "x", "--gpus", "cpu", "--storage", url)
    # The lease of a coordinator that is provably dead is not waited for.
    assert resumed.code == 0 and "may still run it" not in resumed.err, resumed.err
    assert_complete(url)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_loses_nothing_and_says_how_to_go_on(tmp_path: Path, times: int) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    (tmp_path / "x.toml").write_text(STUDY)
    process = sweep("start", str(tmp_path / "x.toml"), "--gpus", "cpu", url=url, folder=tmp_path)
    with kill_at_the_end(process) as tree:
        wait_for(lambda: n_finished(url) >= 3)
        for _ in range(times):
            tree.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert "sweep resume x" in (tmp_path / "log").read_text()
    states = [trial.state for trial in optuna.load_study(study_name="x", storage=url).trials]
    assert TrialState.RUNNING not in states
    assert 3 <= states.count(TrialState.COMPLETE) < N_TRIALS
