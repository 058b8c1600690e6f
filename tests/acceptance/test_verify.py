"""A trial of a real study, trained again by a real worker; and one whose numbers were changed."""

import sqlite3
from pathlib import Path

import pytest

from tests.support.cli_runner import Answer, Cli

STUDY = """
study.name = "x"
study.repeat = 2
data.train_limit = 256
space.hidden_width = {low = 4, high = 32, log = true}
space.epochs = 3
budget.trials = 2
"""


@pytest.mark.usefixtures("forked_workers")
def test_a_trial_is_trained_again_to_compare_it_or_to_have_its_weights(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", f"sqlite:///{tmp_path / 'x.db'}")
    (tmp_path / "x.toml").write_text(STUDY)
    started = cli("start", tmp_path / "x.toml", "--gpus", "cpu", "--workers", "1")
    assert started.code == 0, started.err
    found = verify(cli)
    assert (found.code, found.json["agreement"], found.json["differs"]) == (0, "equal", [])
    assert found.json["trainer"] == "cpu"

    (tmp_path / "kept").mkdir()
    (tmp_path / "again").mkdir()
    assert cli("model", "x", "0", "-o", tmp_path / "kept").code == 0
    _change(tmp_path, "UPDATE sweep_trials SET artifact_id = NULL")
    assert cli("model", "x", "0", "--train", "-o", tmp_path / "again").code == 0
    names = "x-0.safetensors", "x-0.py"
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "kept" / name).read_bytes()

    _change(tmp_path, "UPDATE sweep_epochs SET val_mse = val_mse * 1.1 WHERE epoch > 2")
    found = verify(cli)
    assert (found.code, found.json["agreement"]) == (11, "diverged")
    assert found.json["first"]["epoch"] == 3


def verify(cli: Cli) -> Answer:
    return cli("verify", "x", "0", "--json")


def _change(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "x.db") as connection:
        connection.execute(statement)
    connection.close()
