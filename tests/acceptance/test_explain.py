"""An explanation with real workers, killed while it trains: it goes on and repeats nothing."""

import signal
from pathlib import Path

import pytest

from sweep.analysis.study_explanation import study_explanation
from sweep.config import TrialConfig
from sweep.store.engine import Engine
from sweep.store.handle import DatabaseHandle, open_study
from tests.support.cli_runner import Cli
from tests.support.processes import kill_at_the_end, sweep, wait_for
from tests.support.store_factories import add_study, add_trial, sqlite_store

FILE = """
study.name = "x"
data.train_limit = 300
space.hidden_width = {low = 2, high = 8}
space.epochs = {low = 1, high = 3}
budget.trials = 2
"""


COMMAND = (
    *("explain", "x", "--path", "--from", "0", "--to", "1"),
    *("--run", "--seeds", "2", "--workers", "1"),
)


def n_complete(engine: Engine) -> int:
    there = {study.name: study for study in DatabaseHandle(engine).studies()}
    return there["x-explain"].counts["COMPLETE"] if "x-explain" in there else 0


@pytest.mark.usefixtures("forked_workers")
def test_a_killed_explanation_goes_on_with_the_same_command(cli: Cli, tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine, "x", study_file=FILE, provenance={})
    ends = [
        TrialConfig(hidden_width=2, epochs=1, learning_rate=1e-3),
        TrialConfig(hidden_width=8, epochs=3, learning_rate=1e-2),
    ]
    for number, config in enumerate(ends):
        add_trial(engine, study_id, number, 0.1, config=config)
    killed = sweep(*COMMAND, url=str(engine.url), folder=tmp_path)
    with kill_at_the_end(killed):
        wait_for(lambda: killed.poll() is not None or n_complete(engine) >= 3, 120)
    assert killed.returncode == -signal.SIGKILL
    done = {row.number: row for row in open_study(engine, "x-explain").trials(states=["COMPLETE"])}
    assert cli(*COMMAND, "--storage", engine.url).code == 0
    rows = {row.number: row for row in open_study(engine, "x-explain").trials()}
    assert {number: rows[number] for number in done} == done
    assert len(rows) == len({repr(row.config) for row in rows.values()}) == 8
    assert len({row.seeds for row in rows.values()}) == 1
    found = study_explanation(open_study(engine, "x"))
    assert found is not None and found.found.is_whole
    assert len(found.found.forward.steps) == 3
