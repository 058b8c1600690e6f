"""What an installation without PyTorch says where it would train."""

from pathlib import Path

import pytest

from sweep.cli.entry import run
from tests.support.study_factories import study_text

TRAIN = "`pip install 'sweep-autoencoder[train]'`"


@pytest.fixture(autouse=True)
def _without_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("sweep.extras", "sweep.cli.doctor"):
        monkeypatch.setattr(f"{module}.find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(study_text())


def test_a_study_is_not_started_and_leaves_no_database(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["start", "study.toml", "--gpus", "cpu"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "training needs PyTorch" in error and TRAIN in error
    assert not Path("sweep.db").exists()


def test_doctor_says_what_such_an_installation_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    run(["doctor"])
    assert "can show studies but not train" in capsys.readouterr().out
