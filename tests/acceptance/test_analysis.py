"""The process that analyses networks is killed, or its coordinator: nothing is lost."""

import signal
from pathlib import Path

import psutil
import pytest

from sweep.store.handle import open_study
from sweep.store.kept_weights import due, kept_weights
from sweep.store.migrate import open_store
from tests.support.processes import killed_at_the_end, sweep, wait_for

STUDY = """
study.name = "x"
study.probe = true
data.train_limit = 640
space.hidden_width = {choices = [4, 16]}
space.epochs = 1
sampler.name = "grid"
"""


class Run:
    """`sweep start` of a study of two widths, when the process that analyses has come up."""

    def __init__(self, folder: Path) -> None:
        self.url, self.folder = f"sqlite:///{folder / 'x.db'}", folder
        (folder / "x.toml").write_text(STUDY)
        arguments = ("start", str(folder / "x.toml"), "--gpus", "cpu")
        self.process = sweep(*arguments, url=self.url, folder=folder)

    def await_analysis(self) -> psutil.Process:
        found: list[psutil.Process] = []

        def is_there() -> bool:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            found[:] = [one for one in psutil.Process(self.process.pid).children() if _is_it(one)]
            return bool(found)

        wait_for(is_there)
        return found[0]

    def analysed(self) -> set[int]:
        return set(open_study(open_store(self.url), "x").probes())

    def analyse(self) -> str:
        process = sweep("analyse", "x", url=self.url, folder=self.folder)
        assert process.wait(timeout=60) == 0
        return (self.folder / "log").read_text()


def _is_it(process: psutil.Process) -> bool:
    try:
        return process.name() == "sweep-analysis"
    except psutil.Error:
        return False


def test_a_study_survives_the_death_of_its_analysis_process(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with killed_at_the_end(run.process):
        run.await_analysis().kill()
        assert run.process.wait(timeout=60) == 0
    engine = open_store(run.url)
    assert open_study(engine, "x").summary().phase == "finished" and run.analysed() == {0, 1}
    (event,) = [e for e in open_study(engine, "x").events() if e.kind == "network not analysed"]
    assert event.message == "killed by signal 9"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_analyses_that_a_signal_cut_short_are_made_up_for(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    run = Run(tmp_path)
    with killed_at_the_end(run.process):
        analysis = run.await_analysis()
        wait_for(lambda: "analysing networks" in (tmp_path / "log").read_text())
        run.process.send_signal(number)
        assert run.process.wait(timeout=60) == code
        analysis.wait(timeout=60)  # it does not outlive its coordinator
    engine = open_store(run.url)
    left = len(due(kept_weights(engine, "x")))
    log = (tmp_path / "log").read_text()
    assert number is signal.SIGKILL or "run `sweep analyse x`" in log
    assert left + len(run.analysed()) == 2 and left > 0
    assert f"analysing networks: {left} of {left}" in run.analyse()
    assert run.analysed() == {0, 1}
