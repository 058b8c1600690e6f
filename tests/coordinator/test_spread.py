"""Several devices: a fast one gets more, one that fails is left out, and nothing is lost."""

import threading

import pytest

from sweep.coordinator.progress import Progress
from sweep.coordinator.run import start
from sweep.enums import Trainer
from sweep.launch import resources
from sweep.launch.resources import RunOptions
from sweep.messages import TrialSpec
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.studyfile import loads
from tests.support.fake_workers import FakeLauncher, FakeWorker, Killed

STUDY = """
study.name = "x"
study.duplicates = "train"  # none waits for a twin that the slow one trains
space.hidden_width = {low = 8, high = 1024, log = true}
space.epochs = 2
sampler.name = "random"
budget.trials = 24
"""
PATIENCE_SECONDS = 20


@pytest.fixture(autouse=True)
def _two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "choose_devices", lambda *_: ["0", "1"])


def run(engine: Engine, launcher: FakeLauncher, observer=lambda progress: None) -> str:
    options = RunOptions(trainer=Trainer.REFERENCE)
    file = loads(STUDY, "x.toml")
    return start(engine, file, options, observer, say=lambda line: None, launcher=launcher)


def test_a_slow_device_holds_no_more_than_it_trains_and_one_that_waits(engine: Engine) -> None:
    # Were trials dealt out in turns, half of them would be held by the slow one, which goes on only
    # when all but two are complete.
    others_are_done = threading.Event()

    def on_epoch(worker: FakeWorker, _spec: TrialSpec, _epoch: int) -> None:
        if worker.device == "1":
            assert others_are_done.wait(PATIENCE_SECONDS)

    def observer(progress: Progress) -> None:
        if progress.n_complete >= 22:
            others_are_done.set()

    assert run(engine, FakeLauncher(on_epoch), observer) == "finished"
    finished = {worker.device: worker.n_finished for worker in open_study(engine, "x").workers()}
    assert finished == {"0": 22, "1": 2}


def test_a_device_whose_workers_all_die_is_left_out_and_the_study_goes_on(engine: Engine) -> None:
    # As with a broken card: each of its workers comes up, is handed a trial, and dies over it. Two
    # retries by default, so four such deaths in a row are more than any trial can cause.
    works, left_out = threading.Event(), threading.Event()
    deaths: list[int] = []

    def on_epoch(worker: FakeWorker, spec: TrialSpec, _epoch: int) -> None:
        if worker.device == "1":
            assert works.wait(PATIENCE_SECONDS)
            deaths.append(spec.number)
            raise Killed
        if works.is_set():  # some work is left for as long as the other comes up
            assert left_out.wait(PATIENCE_SECONDS)

    def observer(progress: Progress) -> None:
        if progress.n_complete:
            works.set()
        if len(deaths) == 4 and len(progress.workers) == 1:
            left_out.set()

    assert run(engine, FakeLauncher(on_epoch), observer) == "finished"
    assert len(deaths) == 4
    (event,) = [e for e in open_study(engine, "x").events() if e.kind == "device left out"]
    assert event.message.startswith("1: ")
    states = {row.number: row.state for row in open_study(engine, "x").trials()}
    assert sorted(states) == list(range(24))
    given_up = {n for n, state in states.items() if state == "FAIL"}
    assert given_up == {n for n in deaths if deaths.count(n) > 2}
    assert {states[n] for n in states.keys() - given_up} == {"COMPLETE"}


def test_the_only_device_is_not_left_out_for_what_a_trial_does(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "choose_devices", lambda *_: ["0"])

    def on_epoch(_worker: FakeWorker, spec: TrialSpec, _epoch: int) -> None:
        if spec.number in (0, 1):
            raise Killed

    assert run(engine, FakeLauncher(on_epoch)) == "finished"
    states = [
        row.state for row in sorted(open_study(engine, "x").trials(), key=lambda row: row.number)
    ]
    assert states == ["FAIL"] * 2 + ["COMPLETE"] * 22
