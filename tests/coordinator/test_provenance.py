"""The record of the code that a run used."""

import subprocess
from pathlib import Path

import pytest

from sweep.coordinator import provenance
from sweep.enums import Trainer


def commit_of(monkeypatch: pytest.MonkeyPatch, code: Path) -> object:
    monkeypatch.setattr(provenance, "CODE", code)
    return provenance.collect_provenance(Trainer.REFERENCE)["git_commit"]


def test_the_commit_is_that_of_sweeps_checkout_and_not_of_the_repository_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        command = ["git", *who, *arguments]
        return subprocess.check_output(command, cwd=tmp_path, text=True).strip()

    code, installed = tmp_path / "sweep", tmp_path / "site-packages" / "sweep"
    for folder in (code, installed):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
    git("init", "-q")
    git("add", "sweep")
    git("commit", "-q", "-m", "x")
    commit = git("rev-parse", "HEAD")
    assert commit_of(monkeypatch, code) == commit
    assert commit_of(monkeypatch, installed) is None
    (code / "__init__.py").write_text("changed = True")
    assert commit_of(monkeypatch, code) == f"{commit} with changes"
