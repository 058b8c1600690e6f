"""The judge of the chaos suite finds nothing in a study that is whole, and whatever was bent."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from sweep.coordinator.run import start
from sweep.launch.resources import RunOptions
from sweep.store.engine import write_transaction
from sweep.store.migrate import open_store
from sweep.studyfile import loads
from tests.support import exactly_once
from tests.support.simulated_worker import SimulatedLauncher, Simulation

STUDY = """
study.name = "x"
study.duplicates = "train"
study.repeat = 2
space.hidden_width = {low = 4, high = 64}
space.epochs = {low = 2, high = 4}
sampler.name = "random"
pruner.name = "median"
budget.trials = 30
"""

BENT = {
    "DELETE FROM sweep_epochs WHERE trial_id = 1 AND seed_index = 1 AND epoch = 2": "epochs",
    "DELETE FROM sweep_results WHERE trial_id = 1 AND seed_index = 1": "results",
    "UPDATE sweep_epochs SET val_mse = 0.5 WHERE trial_id = 1 AND epoch = 1": "another's numbers",
    "UPDATE trial_intermediate_values SET intermediate_value = 0.5 WHERE trial_id = 1": "ours",
    "UPDATE trial_values SET value = 0.5 WHERE trial_id = 1": "value 0.5",
    "UPDATE trials SET state = 'RUNNING' WHERE number = 0": "states",
    "UPDATE trials SET number = 99 WHERE number = 0": "not 0 to 29",
    "UPDATE trials SET state = state WHERE number = 0": "finished 2 times",
    "UPDATE sweep_trials SET outcome = 'failed' WHERE number = 0": "COMPLETE, failed",
    "UPDATE sweep_studies SET phase = 'running'": "phase running",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "x.db"
    engine = open_store(f"sqlite:///{path}", create=True)
    exactly_once.watch(engine)
    launcher = SimulatedLauncher(Simulation(trials_per_second=300, slots=8))
    options, file = RunOptions(gpus="cpu", cpu_workers=1), loads(STUDY, "x.toml")
    start(engine, file, options, lambda p: None, say=lambda s: None, launcher=launcher)
    engine.dispose()
    return path


def judge(path: Path, statement: str | None = None) -> list[str]:
    url = f"sqlite:///{path}"
    engine = open_store(url)
    if statement is not None:
        with write_transaction(engine) as connection:
            connection.execute(text(statement))
    found = exactly_once.problems(engine, url, "x", simulated=True)
    engine.dispose()
    return found


def test_a_whole_study_has_no_problems(whole: Path) -> None:
    assert judge(whole) == []


@pytest.mark.parametrize(("statement", "problem"), BENT.items())
def test_what_was_bent_is_found(whole: Path, tmp_path: Path, statement: str, problem: str) -> None:
    shutil.copy(whole, tmp_path / "x.db")
    assert problem in "\n".join(judge(tmp_path / "x.db", statement))
