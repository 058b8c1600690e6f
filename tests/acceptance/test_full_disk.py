"""The disk fills up, or may not be written: a message, an exit code, and nothing lost."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tests.support.cli_runner import Cli

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
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mount]:
    """Mounts a small file system of its own, for the database; again, to change its options."""
    folder = tmp_path / "disk"
    monkeypatch.setenv("SWEEP_STORAGE", f"sqlite:///{folder}/x.db")

    def mount(options: str) -> Path:
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return folder

    yield mount
    # What is still open in it keeps it for as long as it likes, and pytest's folders with it.
    subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


@pytest.mark.root_only
@pytest.mark.usefixtures("forked_workers")
def test_a_full_disk_stops_the_study_and_room_lets_it_finish(
    cli: Cli, mount: Mount, tmp_path: Path
) -> None:
    (tmp_path / "x.toml").write_text(STUDY)
    folder = mount("size=500k")
    full = cli("start", tmp_path / "x.toml", "--gpus", "cpu")
    assert full.code == 10, full.err
    assert "sweep: " in full.err and "sweep resume" in full.err
    assert "Traceback" not in full.err
    mount("remount,size=50m")
    done = cli("resume", "x", "--gpus", "cpu")
    assert done.code == 0, done.err
    trials = optuna.load_study(study_name="x", storage=f"sqlite:///{folder}/x.db").trials
    assert [trial.number for trial in trials] == list(range(30))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}


@pytest.mark.root_only
@pytest.mark.usefixtures("forked_workers")
def test_weights_that_find_no_room_leave_the_database_its_own(
    cli: Cli, mount: Mount, tmp_path: Path
) -> None:
    # 6.3 MB of weights on a disk of 4 MB: a part of them would take what the last rows need.
    (tmp_path / "x.toml").write_text(STUDY.replace("{low = 4, high = 64}", "1000"))
    folder = mount("size=4m")
    full = cli("start", tmp_path / "x.toml", "--gpus", "cpu")
    assert full.code == 10 and "weights were not saved" in full.err, full.err
    told = cli("status", "x").out
    assert "failed" in told and "weights were not saved" in told
    mount("remount,size=50m")
    done = cli("resume", "x", "--gpus", "cpu", "--trials", "2")
    assert done.code == 0, done.err
    study = optuna.load_study(study_name="x", storage=f"sqlite:///{folder}/x.db")
    metas = [
        meta.artifact_id
        for trial in study.trials
        for meta in optuna.artifacts.get_all_artifact_meta(trial, storage=study._storage)
    ]
    assert sorted(metas) == sorted(path.name for path in (folder / "x.db.artifacts").iterdir())


@pytest.mark.root_only
@pytest.mark.usefixtures("forked_workers")
def test_a_read_only_folder_is_said_before_anything_starts(
    cli: Cli, mount: Mount, tmp_path: Path
) -> None:
    (tmp_path / "x.toml").write_text(STUDY)
    mount("ro,size=1m")
    refused = cli("start", tmp_path / "x.toml", "--gpus", "cpu")
    assert refused.code == 10
    assert "Read-only file system" in refused.err and "--storage" in refused.err
