"""kill -9 at random moments, real processes: nothing lost, nothing twice.

Workers and coordinators of a study are killed while it runs; `sweep resume` goes on.
"""

import random
import signal
import time
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from tests.support.processes import (
    N_TRIALS,
    STUDY,
    assert_complete,
    children_of,
    killed_at_the_end,
    n_finished,
    sweep,
    wait_for,
)


def test_a_study_survives_the_death_of_workers_and_coordinators(
    storage_url: str, tmp_path: Path
) -> None:
    dice = random.Random(5)
    (tmp_path / "x.toml").write_text(STUDY)
    start = ("start", str(tmp_path / "x.toml"), "--gpus", "cpu")
    for round_number in range(2):
        arguments = start if round_number == 0 else ("resume", "x", "--gpus", "cpu")
        process = sweep(*arguments, url=storage_url, folder=tmp_path)
        with killed_at_the_end(process) as tree:
            goal = n_finished(storage_url) + dice.randint(3, 6)
            wait_for(lambda goal=goal: n_finished(storage_url) >= goal)
            workers = children_of(tree)
            assert workers
            dice.choice(workers).send_signal(signal.SIGKILL)
            goal += dice.randint(1, 4)
            wait_for(lambda goal=goal: n_finished(storage_url) >= goal)
            workers = children_of(tree)
            time.sleep(dice.random() * 0.3)
            tree.send_signal(signal.SIGKILL)
            process.wait()
            # Workers notice by themselves that their coordinator is gone.
            _, alive = psutil.wait_procs(workers, timeout=10)
            assert not alive
    process = sweep("resume", "x", "--gpus", "cpu", url=storage_url, folder=tmp_path)
    with killed_at_the_end(process):
        assert process.wait(120) == 0, (tmp_path / "log").read_text()
    # The lease of a coordinator that is provably dead is not waited for.
    assert "may still run it" not in (tmp_path / "log").read_text()
    assert_complete(storage_url)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_loses_nothing_and_says_how_to_go_on(tmp_path: Path, times: int) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    (tmp_path / "x.toml").write_text(STUDY)
    process = sweep("start", str(tmp_path / "x.toml"), "--gpus", "cpu", url=url, folder=tmp_path)
    with killed_at_the_end(process) as tree:
        wait_for(lambda: n_finished(url) >= 3)
        for _ in range(times):
            tree.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert "sweep resume x" in (tmp_path / "log").read_text()
    states = [trial.state for trial in optuna.load_study(study_name="x", storage=url).trials]
    assert TrialState.RUNNING not in states
    assert 3 <= states.count(TrialState.COMPLETE) < N_TRIALS
