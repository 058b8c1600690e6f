"""The process that analyses networks is killed, or its coordinator: nothing is lost."""

import signal
from pathlib import Path

import psutil
import pytest

from sweep.enums import EventKind
from sweep.store.handle import open_study
from sweep.store.kept_weights import due, kept_weights
from sweep.store.migrate import open_store
from tests.support.cli_runner import Cli
from tests.support.factories import make_images, write_dataset
from tests.support.processes import kill_at_the_end, sweep, wait_for

STUDY = """
study.name = "x"
study.probe = true
space.hidden_width = {choices = [4, 16]}
space.epochs = 1
sampler.name = "grid"
"""


class Run:
    """A command that runs or resumes the study of two widths."""

    def __init__(self, *arguments: str, url: str, folder: Path) -> None:
        self._log = folder / "log"
        self._begins = self._log.stat().st_size if self._log.exists() else 0
        self.process = sweep(*arguments, "--gpus", "cpu", url=url, folder=folder)

    def await_analysis(self, after: int = 0) -> psutil.Process:
        """The process that analyses, once it has come up; another one than ``after``."""
        found: list[psutil.Process] = []

        def is_there() -> bool:
            assert self.process.poll() is None, self.log()
            children = psutil.Process(self.process.pid).children()
            found[:] = [one for one in children if _is_it(one) and one.pid != after]
            return bool(found)

        wait_for(is_there)
        return found[0]

    def end(self, number: signal.Signals, analysis: psutil.Process) -> int:
        """Send the signal while it analyses; its analysis process must not outlive it."""
        wait_for(lambda: "analysing networks" in self.log())
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        analysis.wait(timeout=60)
        return code

    def log(self) -> str:
        return self._log.read_bytes()[self._begins :].decode()


def _is_it(process: psutil.Process) -> bool:
    try:
        return process.name() == "sweep-analysis"
    except psutil.Error:
        return False


@pytest.mark.usefixtures("forked_workers")
def test_a_study_survives_the_death_of_its_analysis_process_and_of_its_coordinator(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_ARTIFACTS", str(tmp_path / "artifacts"))  # as in the processes
    data = write_dataset(tmp_path / "data", make_images(60, 20, height=4, width=4))
    (tmp_path / "x.toml").write_text(STUDY + f'data.name = "{data}"\n')
    where = {"url": f"sqlite:///{tmp_path / 'x.db'}", "folder": tmp_path}
    run = Run("start", str(tmp_path / "x.toml"), **where)
    with kill_at_the_end(run.process):
        (first := run.await_analysis()).kill()
        assert run.end(signal.SIGINT, run.await_analysis(after=first.pid)) == 130
    assert "run `sweep analyse x`" in run.log()
    engine = open_store(where["url"])
    assert len(due(kept_weights(engine, "x"))) == 2

    run = Run("resume", "x", **where)
    with kill_at_the_end(run.process):
        assert run.end(signal.SIGKILL, run.await_analysis()) == -signal.SIGKILL
    assert len(due(kept_weights(engine, "x"))) == 2

    analysed = cli("analyse", "x", 0, "--storage", where["url"])
    assert analysed.code == 0 and "analysing networks: 1 of 1" in analysed.err
    assert set(open_study(engine, "x").probes()) == {0}

    # A run whose analysis process dies starts another one, and finishes by itself.
    run = Run("resume", "x", **where)
    with kill_at_the_end(run.process):
        run.await_analysis().kill()
        assert run.process.wait(60) == 0, run.log()
    study = open_study(engine, "x")
    assert set(study.probes()) == {0, 1} and study.summary().phase == "finished"
    deaths = [e.message for e in study.events() if e.kind == EventKind.NOT_ANALYSED]
    assert deaths == ["killed by signal 9"] * 2
