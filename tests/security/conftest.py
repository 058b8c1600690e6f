"""A command line that never trains, never asks the network and never waits for a browser."""

import webbrowser
from pathlib import Path

import pytest

from sweep.cli import doctor
from tests.support.cli_runner import cli as cli
from tests.support.fake_workers import FakeTraining, pretend_local_workers
from tests.support.store_factories import strip_png

STUDY = """
study.name = "x"
budget.trials = 3
space.hidden_width = {low = 8, high = 64, log = true}
space.epochs = 2
"""


@pytest.fixture(autouse=True)
def _nothing_real(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.toml").write_text(STUDY)
    pretend_local_workers(monkeypatch)
    monkeypatch.setattr(FakeTraining, "pictures", strip_png())
    monkeypatch.setattr(doctor, "_ask_torch", lambda: "torch")
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    monkeypatch.setattr("sweep.cli.dashboard.serve", lambda app, access, ready: ready("http://x"))
