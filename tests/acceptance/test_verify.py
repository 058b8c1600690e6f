"""A trial of a real study, trained again by a real worker; and one whose numbers were changed."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

STUDY = """
study.name = "x"
study.repeat = 2
data.train_limit = 256
space.hidden_width = {low = 4, high = 32, log = true}
space.epochs = 3
budget.trials = 2
"""


def sweep(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sweep", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "SWEEP_STORAGE": f"sqlite:///{folder / 'x.db'}"},
    )


def verify(folder: Path, *options: str) -> tuple[int, Any]:
    answer = sweep(folder, "verify", "x", "0", "--json", *options)
    return answer.returncode, json.loads(answer.stdout)


def test_a_trial_is_trained_again_to_compare_it_or_to_have_its_weights(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(STUDY)
    started = sweep(tmp_path, "start", str(tmp_path / "x.toml"), "--gpus", "cpu", "--workers", "1")
    assert started.returncode == 0, started.stderr
    code, found = verify(tmp_path)
    assert (code, found["agreement"], found["differs"]) == (0, "equal", [])
    assert found["trainer"] == "cpu"

    (tmp_path / "kept").mkdir()
    (tmp_path / "again").mkdir()
    assert sweep(tmp_path, "model", "x", "0", "-o", str(tmp_path / "kept")).returncode == 0
    _change(tmp_path, "UPDATE sweep_trials SET artifact_id = NULL")
    again = ("model", "x", "0", "--train", "-o", str(tmp_path / "again"))
    assert sweep(tmp_path, *again).returncode == 0
    names = "x-0.safetensors", "x-0.py"
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "kept" / name).read_bytes()

    _change(tmp_path, "UPDATE sweep_epochs SET val_mse = val_mse * 1.1 WHERE epoch > 2")
    code, found = verify(tmp_path)
    assert (code, found["agreement"], found["first"]["epoch"]) == (11, "diverged", 3)


def _change(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "x.db") as connection:
        connection.execute(statement)
    connection.close()
