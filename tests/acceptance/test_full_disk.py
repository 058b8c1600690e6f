"""The disk fills up, or may not be written: a message, an exit code, and nothing lost."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

STUDY = """
study.name = "x"
data.train_limit = 256
space.hidden_width = {low = 4, high = 64}
space.epochs = 2
sampler.name = "random"
budget.trials = 30
"""

Mount = Callable[[str], Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a small file system of its own; again, to change its options."""
    folder = tmp_path / "disk"

    def mount(options: str) -> Path:
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return folder

    yield mount
    # What Optuna has open in it keeps it for as long as it likes, and pytest's folders with it.
    subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def sweep(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sweep", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "SWEEP_STORAGE": "sqlite:///x.db"},
    )


@pytest.mark.root_only
def test_a_full_disk_stops_the_study_and_room_lets_it_finish(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(STUDY)
    folder = mount("size=500k")
    full = sweep("start", tmp_path / "x.toml", "--gpus", "cpu", folder=folder)
    assert full.returncode == 10, full.stderr
    assert "sweep: " in full.stderr and "sweep resume" in full.stderr
    assert "Traceback" not in full.stderr
    mount("remount,size=50m")
    done = sweep("resume", "x", "--gpus", "cpu", folder=folder)
    assert done.returncode == 0, done.stderr
    trials = optuna.load_study(study_name="x", storage=f"sqlite:///{folder}/x.db").trials
    assert [trial.number for trial in trials] == list(range(30))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}


@pytest.mark.root_only
def test_weights_that_find_no_room_leave_the_database_its_own(mount: Mount, tmp_path: Path) -> None:
    # 6.3 MB of weights on a disk of 4 MB: a part of them would take what the last rows need.
    (tmp_path / "x.toml").write_text(STUDY.replace("{low = 4, high = 64}", "1000"))
    folder = mount("size=4m")
    full = sweep("start", tmp_path / "x.toml", "--gpus", "cpu", folder=folder)
    assert full.returncode == 10 and "weights were not saved" in full.stderr, full.stderr
    told = sweep("status", "x", folder=folder).stdout
    assert "failed" in told and "weights were not saved" in told
    mount("remount,size=50m")
    done = sweep("resume", "x", "--gpus", "cpu", "--trials", "2", folder=folder)
    assert done.returncode == 0, done.stderr
    study = optuna.load_study(study_name="x", storage=f"sqlite:///{folder}/x.db")
    metas = [
        meta.artifact_id
        for trial in study.trials
        for meta in optuna.artifacts.get_all_artifact_meta(trial, storage=study._storage)
    ]
    assert sorted(metas) == sorted(path.name for path in (folder / "x.db.artifacts").iterdir())


@pytest.mark.root_only
def test_a_read_only_folder_is_said_before_anything_starts(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(STUDY)
    folder = mount("ro,size=1m")
    refused = sweep("start", tmp_path / "x.toml", "--gpus", "cpu", folder=folder)
    assert refused.returncode == 10
    assert "Read-only file system" in refused.stderr and "--storage" in refused.stderr
