"""A study with real workers, twice; and Optuna's own eyes on it while it runs."""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from tests.support.cli_runner import Cli
from tests.support.processes import kill_at_the_end, sweep

STUDY = """
study.name = "x"
study.seed = 3
data.train_limit = 256
space.hidden_width = {low = 4, high = 32, log = true}
space.activation.choices = ["relu", "tanh", "gelu"]
space.epochs = {low = 1, high = 4}
sampler.name = "tpe"
sampler.n_startup_trials = 4
pruner.name = "median"
pruner.n_startup_trials = 3
budget.trials = 12
"""


def run(folder: Path, start: Callable[..., int]) -> list[tuple[object, ...]]:
    folder.mkdir()
    (folder / "x.toml").write_text(STUDY)
    url = f"sqlite:///{folder / 'x.db'}"
    assert start("start", str(folder / "x.toml"), "--gpus", "cpu", "--workers", "1", url=url) == 0
    trials = optuna.load_study(study_name="x", storage=url).trials
    return [(t.number, t.state, t.params, t.values, t.intermediate_values) for t in trials]


@pytest.mark.usefixtures("forked_workers")
def test_two_runs_with_one_seed_and_one_worker_are_the_same(cli: Cli, tmp_path: Path) -> None:
    def start_here(*arguments: str, url: str) -> int:
        return cli(*arguments, "--storage", url).code

    def start_anew(*arguments: str, url: str) -> int:
        """In a process with other hashes of strings, and workers that load torch themselves."""
        process = sweep(*arguments, url=url, folder=tmp_path)
        with kill_at_the_end(process):
            return process.wait(60)

    first, second = run(tmp_path / "a", start_here), run(tmp_path / "b", start_anew)
    assert first == second
    assert len(first) == 12
    assert optuna.trial.TrialState.PRUNED in [state for _, state, *_ in first]
