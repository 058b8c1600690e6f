"""Whole studies with pretended workers: what is asked, told, pruned, retried and written."""

import dataclasses
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from sweep.analysis.study_data import study_images
from sweep.config import width_class
from sweep.coordinator.plan import plan
from sweep.coordinator.progress import Progress
from sweep.coordinator.run import prepare_data, resume
from sweep.coordinator.worker_pool import Worker, WorkerPool
from sweep.datasets import Images, write_copy
from sweep.enums import CommandKind, EventKind
from sweep.errors import (
    DataError,
    DeviceError,
    FailureLimitError,
    NoRoomError,
    NotFoundError,
    StoreError,
    StoreGoneError,
    StudyFileError,
    StudyHeldError,
    UsageError,
)
from sweep.launch.launcher import Gone, Lost
from sweep.launch.ray import ALL_WORKERS
from sweep.launch.resources import RunOptions
from sweep.messages import (
    Attempt,
    Capacity,
    EpochDone,
    EpochMetrics,
    EpochsDone,
    Event,
    PopulationHalved,
    Shutdown,
    Stop,
    TrialDiverged,
    TrialFailed,
    TrialRequest,
    TrialSpec,
    TrialStopped,
    WorkerFailed,
    WorkerSetup,
)
from sweep.search.configurations import config_from_params, suggest_config, trial_seeds
from sweep.search.samplers import make_sampler
from sweep.store import annotate, commands, lease
from sweep.store import study as study_of_the_store
from sweep.store.engine import Engine
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.migrate import open_store
from sweep.store.writer import StudyWriter
from tests.support import fake_workers
from tests.support.coordinator_runs import (
    ONE,
    STUDY,
    THREE,
    die_at,
    go_on,
    interrupt_at,
    let_the_lease_go,
    post_at,
    run,
    states,
    study_file,
    trials,
)
from tests.support.factories import make_images, write_dataset
from tests.support.fake_workers import DATA, FakeLauncher, FakeWorker, Killed, error_of, slowly
from tests.support.store_factories import sqlite_store


def test_images_of_ones_own_are_found_from_any_folder(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path / "images")
    run(engine, file=study_file(STUDY, "data.name=./images"))
    assert open_study(engine, "x").record().dataset == str(tmp_path / "images")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    go_on(engine, trials=13)
    assert len(open_study(engine, "x").trials()) == 13


def test_images_that_are_gone_are_read_from_their_copy(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_DATA", str(tmp_path / "cache"))
    images = make_images()
    copy = write_copy(images)
    moved = write_dataset(tmp_path / "images")
    monkeypatch.setattr(fake_workers, "DATA", dataclasses.replace(DATA, sha256=images.sha256))
    run(engine, file=study_file(STUDY, "data.name=./images"))
    shutil.rmtree(moved)
    assert prepare_data(study_file(STUDY, "data.name=./images"), print, images.sha256) == str(copy)
    go_on(engine, trials=13)
    assert len(open_study(engine, "x").trials()) == 13


@pytest.mark.parametrize("place", ["beside the database", "in this folder"])
def test_images_that_were_moved_are_found_by_their_digest(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    images = make_images()
    monkeypatch.setattr(fake_workers, "DATA", dataclasses.replace(DATA, sha256=images.sha256))
    old = write_dataset(tmp_path / "old" / "sets" / "images")
    file = study_file(STUDY, f"data.name={old}")
    run(engine, file=file)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    (tmp_path / "old" / "sets").rename((here if place == "in this folder" else tmp_path) / "sets")
    go_on(engine, trials=13)
    assert len(open_study(engine, "x").trials()) == 13
    assert study_images(open_study(engine, "x")).sha256 == images.sha256


def run_and_rename(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Images, Path]:
    """Run a study on images, then rename their folder; return the images and the old path."""
    images = make_images()
    monkeypatch.setattr(fake_workers, "DATA", dataclasses.replace(DATA, sha256=images.sha256))
    old = write_dataset(tmp_path / "images")
    run(engine, file=study_file(STUDY, f"data.name={old}"))
    old.rename(tmp_path / "renamed")
    return images, old


def test_images_that_are_not_found_are_named_by_path_and_digest(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, old = run_and_rename(engine, tmp_path, monkeypatch)
    missing = (
        rf"{old}: no such file or folder, and no images .*{images.sha256[:12]}.*--set data.name"
    )
    for read in (lambda: go_on(engine, trials=13), lambda: study_images(open_study(engine, "x"))):
        with pytest.raises(DataError, match=missing):
            read()
    assert len(open_study(engine, "x").trials()) == 12


def test_a_resume_can_name_where_the_images_are_now(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_and_rename(engine, tmp_path, monkeypatch)
    others = write_dataset(tmp_path / "others", make_images(seed=1))
    with pytest.raises(DataError, match="not the images this study began with"):
        go_on(engine, study_file=study_file(STUDY, f"data.name={others}"))
    go_on(engine, study_file=study_file(STUDY, "data.name=./renamed"))
    assert open_study(engine, "x").record().dataset == str(tmp_path / "renamed")


@pytest.mark.parametrize("options", [ONE, THREE])
def test_a_study_runs_to_its_budget_and_no_further(
    engine: Engine, url: str, options: RunOptions
) -> None:
    assert run(engine, options=options) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 12
    assert [trial.number for trial in trials(url)] == list(range(12))


def test_when_all_workers_are_lost_at_once_the_study_ends_with_the_reason_and_goes_on_later(
    engine: Engine, url: str
) -> None:
    def lose(_worker: FakeWorker, spec: TrialSpec, _epoch: int) -> None:
        if spec.number == 3:
            launcher.inbox.put((ALL_WORKERS, Lost(reason="the cluster is lost")))
            time.sleep(0.05)

    launcher = FakeLauncher(lose)
    with pytest.raises(DeviceError, match="the cluster is lost"):
        run(engine, launcher=launcher)
    assert states(url).count(TrialState.COMPLETE) >= 3 and TrialState.RUNNING not in states(url)
    assert not open_study(engine, "x").summary().running, "it was given back"
    assert go_on(engine) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 12


def test_workers_that_are_lost_while_the_study_is_interrupted_make_no_error_of_it(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A service's end, or a SLURM job's, is a signal to the cluster's processes as well.
    are_lost = threading.Event()

    def hold(_worker: FakeWorker, spec: TrialSpec, _epoch: int) -> None:
        if spec.number == 3:
            assert are_lost.wait(10)
            raise Killed

    interrupt = interrupt_at(3, monkeypatch)

    def observer(progress: Progress) -> None:
        interrupt(progress)
        if progress.n_complete == 3 and not are_lost.is_set():
            launcher.inbox.put((ALL_WORKERS, Lost(reason="the cluster is lost")))
            are_lost.set()

    launcher = FakeLauncher(hold)
    assert run(engine, launcher, observer=observer) == "interrupted"
    assert states(url)[3] == TrialState.WAITING
    assert go_on(engine) == "finished"


def test_statistics_are_kept_with_their_worker_and_change_nothing_else(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quiet").mkdir()
    quiet = sqlite_store(tmp_path / "quiet")
    run(quiet)
    monkeypatch.setattr("sweep.worker.stats.REPORT_SECONDS", 0.0)  # one after every epoch
    monkeypatch.setattr("sweep.worker.session.device_meter", lambda device: lambda: 0.25)
    run(engine)
    (worker,) = open_study(engine, "x").workers()
    assert worker.busy is not None and 0 <= worker.busy <= 1
    assert worker.memory_total_bytes == psutil.virtual_memory().total
    assert (worker.driver_version, worker.utilisation) == ("580.82.07", 0.25)
    assert open_study(quiet, "x").workers()[0].busy is None
    trained = [
        [(row.values, row.config) for row in open_study(e, "x").trials()] for e in (engine, quiet)
    ]
    assert trained[0] == trained[1]


def test_what_a_trial_reported_is_what_is_stored(engine: Engine, url: str) -> None:
    run(engine)
    for stored, row in zip(trials(url), open_study(engine, "x").trials(), strict=True):
        spec = TrialSpec(
            number=row.number,
            attempt=1,
            config=config_from_params(study_file(), stored.params)[0],
            seeds=row.seeds,
        )
        curve = {epoch: error_of(spec, epoch, row.seeds[0]) for epoch in (1, 2, 3)}
        assert stored.intermediate_values == curve
        assert stored.value == row.val_mse == curve[3]
        assert row.test_mse == 2 * curve[3]


def test_optunas_own_run_with_the_same_sampler_writes_the_same_study(
    engine: Engine, url: str, tmp_path: Path
) -> None:
    file = study_file(STUDY + 'space.loss.choices = ["bce", "mse"]\n')
    run(engine, file=file)
    theirs = f"sqlite:///{tmp_path / 'theirs.db'}"
    study = optuna.create_study(study_name="x", storage=theirs, sampler=make_sampler(file, 0))
    for number in range(12):
        trial = study.ask()
        config, seed = suggest_config(trial, file)
        seeds = trial_seeds(file, number, seed)
        spec = TrialSpec(number=number, attempt=1, config=config, seeds=seeds)
        for epoch in range(1, config.epochs + 1):
            trial.report(error_of(spec, epoch, seeds[0]), epoch)
        study.tell(trial, error_of(spec, config.epochs, seeds[0]))
    seen = [
        [
            (t.number, t.state, t.values, t.params, t.distributions, t.intermediate_values)
            for t in optuna.load_study(study_name="x", storage=storage).trials
        ]
        for storage in (url, theirs)
    ]
    assert seen[0] == seen[1]


def test_plain_optuna_opens_a_study_while_it_runs(engine: Engine, url: str) -> None:
    seen: list[set[TrialState]] = []

    def look(progress: Progress) -> None:
        if progress.n_complete == 4 and not seen:
            seen.append(set(states(url)))

    run(engine, FakeLauncher(slowly), observer=look)
    assert seen == [{TrialState.COMPLETE, TrialState.RUNNING}]


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "nsga2"])
def test_one_seed_and_one_worker_give_the_same_study_twice(tmp_path: Path, sampler: str) -> None:
    text = STUDY.replace('"random"', f'"{sampler}"') + "space.loss.choices = ['bce', 'mse']\n"
    if sampler == "cmaes":
        text = text.replace("space.loss", "space.learning_rate = {low=1e-4, high=1e-1}\n#")
    seen = []
    for folder in "ab":
        url = f"sqlite:///{tmp_path / folder}.db"
        run(open_store(url, create=True), file=study_file(text + "pruner.name = 'median'\n"))
        seen.append([(t.params, t.values, t.state, t.intermediate_values) for t in trials(url)])
    assert seen[0] == seen[1]


def test_enqueued_configurations_run_first_and_once(engine: Engine, url: str) -> None:
    file = study_file(STUDY + "[[enqueue]]\nhidden_width = 784\n[[enqueue]]\nhidden_width = 9\n")
    run(engine, file=file)
    assert [t.params["hidden_width"] for t in trials(url)[:2]] == [784, 9]
    go_on(engine, trials=13)
    assert [t.params["hidden_width"] for t in trials(url)].count(784) == 1


def test_a_repeated_trial_is_worth_the_mean_of_its_seeds(engine: Engine) -> None:
    run(engine, file=study_file(STUDY, "study.repeat=3", "budget.trials=2"))
    for number in (0, 1):
        detail = open_study(engine, "x").trial(number)
        errors = [result.val_mse for result in detail.results]
        assert len(set(errors)) == 3
        assert detail.value == pytest.approx(sum(e or 0 for e in errors) / 3)
        assert (detail.val_mse_std or 0) > 0


def test_several_objectives_give_a_pareto_set_and_keep_their_curves(
    engine: Engine, url: str
) -> None:
    file = study_file(STUDY, 'study.objectives=["val_mse", "hidden_width"]')
    run(engine, file=file)
    assert all(trial.values[1] == trial.params["hidden_width"] for trial in trials(url))
    assert all(len(curve) == 3 for curve in open_study(engine, "x").curves().values())
    # Wider is better: a trial is dominated only by one of its own width.
    assert len(open_study(engine, "x").best(20)) == len(
        {t.params["hidden_width"] for t in trials(url)}
    )


# --- pruning --------------------------------------------------------------------------------


def test_bad_trials_are_pruned_and_end_one_epoch_after_the_decision(
    engine: Engine, url: str
) -> None:
    run(engine, file=study_file(STUDY + "pruner.name = 'median'\n", "space.epochs=6"))
    pruned = [t for t in trials(url) if t.state == TrialState.PRUNED]
    assert pruned
    assert all(max(t.intermediate_values) < 6 for t in pruned)
    assert all(t.value == t.intermediate_values[max(t.intermediate_values)] for t in pruned)
    best = min(t.value or 1 for t in trials(url) if t.state == TrialState.COMPLETE)
    assert best == min(t.value or 1 for t in trials(url))


# --- failures -------------------------------------------------------------------------------


def test_a_worker_that_dies_has_its_trials_handed_out_again(engine: Engine, url: str) -> None:
    run(engine, FakeLauncher(die_at(3, 7)))
    assert states(url) == [TrialState.COMPLETE] * 12
    rows = {row.number: row for row in open_study(engine, "x").trials()}
    assert rows[3].attempt == rows[7].attempt == 2
    assert all(set(t.intermediate_values) == {1, 2, 3} for t in trials(url))
    assert [e.kind for e in open_study(engine, "x").events()].count("worker gone") == 2


#: More than any study here takes.
LIMIT_SECONDS = 60.0


def ends_in_time() -> Callable[[Progress], None]:
    """Fail, with what it waits for, a study that does not end."""
    deadline = time.monotonic() + LIMIT_SECONDS

    def observe(progress: Progress) -> None:
        assert time.monotonic() < deadline, f"the study does not end: {progress}"

    return observe


def test_a_worker_that_stands_still_is_ended_and_what_it_says_on_waking_is_refused(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It was stopped in the middle of a trial that another finishes meanwhile. Had its kill been on
    # its way when it woke, its result would still come.
    monkeypatch.setattr("sweep.worker.session.REPORT_SECONDS", 0.5)
    launcher = FakeLauncher()
    woken = threading.Event()
    silent: list[FakeWorker] = []

    def on_epoch(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        if spec.number == 3 and not silent:
            silent.append(worker)
            assert woken.wait(LIMIT_SECONDS), "trial 5 never began"
            late = worker.start(dataclasses.replace(spec, seeds=(999,)))
            late.epoch = 3
            launcher.inbox.put((worker.name, late.result()))
        if spec.number == 5 and not woken.is_set():
            woken.set()
            time.sleep(0.3)

    launcher._on_epoch = on_epoch
    file = study_file(STUDY, "workers.silence_seconds=5")
    run(engine, launcher, file, observer=ends_in_time())
    assert silent[0]._dead and woken.is_set()
    assert states(url) == [TrialState.COMPLETE] * 12
    detail = open_study(engine, "x").trial(3)
    assert detail.attempt == 2 and [result.seed for result in detail.results] != [999]
    gone = [
        event.message for event in open_study(engine, "x").events() if event.kind == "worker gone"
    ]
    assert gone == ["cpu: killed: no heartbeat for 5 s"]


def test_a_trial_that_keeps_killing_its_worker_fails_with_the_reason(
    engine: Engine, url: str
) -> None:
    run(engine, FakeLauncher(die_at(3, times=99)), study_file(STUDY, "workers.retries=1"))
    failed = [t.number for t in trials(url) if t.state == TrialState.FAIL]
    assert failed == [3]
    assert "its worker died 2 times" in str(open_study(engine, "x").trial(3).reason)


def test_a_diverged_trial_is_an_outcome_and_no_failure(engine: Engine, url: str) -> None:
    from sweep.trainer.training import Diverged

    def diverge(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        if spec.number % 2:
            raise Diverged(epoch, "training loss became nan in epoch 1")

    run(engine, FakeLauncher(diverge), study_file(STUDY, "budget.max_failures=0"))
    summary = open_study(engine, "x").summary()
    assert (summary.n_diverged, summary.n_failed, summary.counts["COMPLETE"]) == (6, 0, 6)
    assert open_study(engine, "x").trial(1).reason == "training loss became nan in epoch 1"


def test_too_many_failures_end_the_study(engine: Engine, url: str) -> None:
    def fail(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        raise RuntimeError("CUDA out of memory")

    with pytest.raises(FailureLimitError, match="max_failures"):
        run(engine, FakeLauncher(fail), study_file(STUDY, "budget.max_failures=2"))
    # The fourth had been handed out already.
    assert states(url).count(TrialState.FAIL) in (3, 4)
    assert TrialState.RUNNING not in states(url)
    assert open_study(engine, "x").summary().phase == "failed"


def test_workers_that_never_come_up_are_not_started_forever(engine: Engine) -> None:
    class Stillborn(FakeLauncher):
        def start(self, name: str, device: str) -> FakeWorker:
            worker = super().start(name, device)
            worker.kill()
            return worker

    launcher = Stillborn()
    with pytest.raises(DeviceError, match="no worker starts"):
        run(engine, launcher)
    assert len(launcher.workers) == 3


def test_a_late_result_of_an_older_attempt_is_refused(engine: Engine, url: str) -> None:
    # A trial comes back (here from a worker that died) and is handed to the same place again;
    # then a result of its first attempt turns up, under the name of the worker that has it now.
    launcher = FakeLauncher(die_at(0))
    forged: list[str] = []

    def on_epoch(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        die_at_once(worker, spec, epoch)
        if spec.number == 0 and spec.attempt == 2 and not forged:
            forged.append(worker.name)
            late = worker.start(dataclasses.replace(spec, attempt=1, seeds=(999,)))
            late.epoch = 3
            launcher.inbox.put((worker.name, late.result()))
            time.sleep(0.3)

    die_at_once = die_at(0)
    launcher._on_epoch = on_epoch
    run(engine, launcher)
    assert forged
    assert states(url) == [TrialState.COMPLETE] * 12
    assert "late result refused" in [event.kind for event in open_study(engine, "x").events()]
    assert [result.seed for result in open_study(engine, "x").trial(0).results] != [999]
    assert open_study(engine, "x").trial(0).attempt == 2


LATE: dict[str, Callable[[TrialSpec], Event]] = {
    "EpochsDone": lambda old: EpochsDone(epochs=(epoch_of(old),)),
    "TrialDiverged": lambda old: TrialDiverged(number=0, attempt=1, epoch=1, reason="late"),
    "TrialFailed": lambda old: TrialFailed(number=0, attempt=1, reason="late"),
    "TrialStopped": lambda old: TrialStopped(number=0, attempt=1, epoch=1),
    "PopulationHalved": lambda old: PopulationHalved(
        before=Capacity(slots=4, hidden_units=4096),
        capacity=Capacity(slots=2, hidden_units=2048),
        put_back=(Attempt(0, 1),),
        reason="late",
    ),
}


def epoch_of(old: TrialSpec) -> EpochDone:
    metrics = EpochMetrics(train_loss=9.0, val_mse=9.0, val_bce=None, seconds=9.0)
    return EpochDone(number=0, attempt=1, epoch=3, metrics=(metrics,))


@pytest.mark.parametrize("late", LATE)
def test_whatever_an_older_attempt_says_late_changes_nothing(
    engine: Engine, url: str, late: str
) -> None:
    # Its first attempt's worker died; its second is in training, in the worker whose name the late
    # word comes under.
    launcher = FakeLauncher()
    told: list[str] = []
    die = die_at(0)

    def on_epoch(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        die(worker, spec, epoch)
        if spec.number == 0 and spec.attempt == 2 and epoch == 2 and not told:
            told.append(late)
            launcher.inbox.put((worker.name, LATE[late](spec)))
            time.sleep(0.3)

    launcher._on_epoch = on_epoch
    run(engine, launcher)
    assert told
    assert states(url) == [TrialState.COMPLETE] * 12
    assert open_study(engine, "x").trial(0).attempt == 2
    assert all(value < 9 for value in trials(url)[0].intermediate_values.values())


def _refusals(monkeypatch: pytest.MonkeyPatch) -> tuple[Callable[[], None], Callable[[], None]]:
    """What has the database refuse each write from now on, and what has it answer again."""
    real = StudyWriter._write_ours
    refuses = threading.Event()

    def write(self: StudyWriter, *args: Any) -> Any:
        if refuses.is_set():
            raise StoreError("connection refused")
        return real(self, *args)

    monkeypatch.setattr(StudyWriter, "_write_ours", write)
    return refuses.set, refuses.clear


def test_while_the_database_is_away_workers_go_on_and_nothing_is_lost(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.coordinator.buffered_writer.RETRY_SECONDS", 0.1)
    refuse, answer = _refusals(monkeypatch)
    messages: list[str] = []

    def observer(progress: Progress) -> None:
        if progress.n_complete >= 3 and not messages:
            refuse()
        if progress.message:
            messages.append(progress.message)
        if messages and progress.n_complete >= 9:
            answer()

    assert run(engine, FakeLauncher(slowly), observer=observer) == "finished"
    assert "results wait" in messages[0]
    assert states(url) == [TrialState.COMPLETE] * 12


def test_a_worker_that_dies_while_the_database_is_away_loses_nothing(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its trial goes back to waiting, and its curve with it, while rows of that very curve still
    # wait to be written.
    monkeypatch.setattr("sweep.coordinator.buffered_writer.RETRY_SECONDS", 0.1)
    refuse, answer = _refusals(monkeypatch)
    deaths: list[int] = []

    def on_epoch(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        time.sleep(0.05)
        if spec.number == 4 and epoch == 1 and not deaths:
            refuse()
        if spec.number == 4 and epoch == 3 and not deaths:
            deaths.append(4)
            worker.kill()
            raise Killed
        if spec.number == 4 and spec.attempt == 2:
            answer()

    assert run(engine, FakeLauncher(on_epoch)) == "finished"
    assert deaths
    assert states(url) == [TrialState.COMPLETE] * 12
    assert all(set(t.intermediate_values) == {1, 2, 3} for t in trials(url))


def test_ctrl_c_twice_does_not_wait_for_a_database_that_is_away(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> Any:
        raise StoreError("connection refused")

    interrupt = interrupt_at(3, monkeypatch, times=2)

    def observer(progress: Progress) -> None:
        if progress.n_complete >= 3:
            monkeypatch.setattr(StudyWriter, "_write_ours", away)
            interrupt(progress)

    began = time.monotonic()
    assert run(engine, FakeLauncher(slowly), observer=observer) == "interrupted"
    assert time.monotonic() - began < 30
    monkeypatch.undo()
    let_the_lease_go(engine)
    assert go_on(engine) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 12


def test_a_database_that_stays_away_is_given_up_and_the_study_resumes(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> Any:
        raise StoreError("connection refused")

    def observer(progress: Progress) -> None:
        if progress.n_complete >= 3:
            monkeypatch.setattr(StudyWriter, "_write_ours", away)

    file = study_file(STUDY, "budget.max_away_seconds=1.5")
    with pytest.raises(StoreError, match="away for 2 s .*max_away_seconds"):
        run(engine, FakeLauncher(slowly), file, observer=observer)
    monkeypatch.undo()
    let_the_lease_go(engine)
    assert go_on(engine) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 12


def test_a_database_file_removed_under_a_running_study_is_noticed_at_once(
    engine: Engine, tmp_path: Path
) -> None:
    def observer(progress: Progress) -> None:
        if progress.n_complete >= 2:
            (tmp_path / "sweep.db").unlink(missing_ok=True)

    with pytest.raises(StoreGoneError):
        run(engine, FakeLauncher(slowly), observer=observer)


def test_damaged_data_leave_no_study_behind(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError):
        run(engine, file=study_file(STUDY, f"data.name='{tmp_path}/images'"))
    assert DatabaseHandle(engine).studies() == []


def test_weights_that_find_no_room_stop_the_study_with_a_message(
    engine: Engine, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SWEEP_ARTIFACTS", str(tmp_path / "file"))
    with pytest.raises(NoRoomError, match="SWEEP_ARTIFACTS"):
        run(engine)
    monkeypatch.delenv("SWEEP_ARTIFACTS")
    assert go_on(engine) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 12


def test_the_weights_of_the_best_of_each_width_are_kept_under_optunas_names(
    engine: Engine, url: str, tmp_path: Path
) -> None:
    run(engine)
    best = open_study(engine, "x").best(1)[0].number
    study = optuna.load_study(study_name="x", storage=url)
    (meta,) = optuna.artifacts.get_all_artifact_meta(study.trials[best], storage=study._storage)
    assert (tmp_path / "sweep.db.artifacts" / meta.artifact_id).read_bytes() == b"weights"
    assert open_study(engine, "x").trial(best).artifact_id == meta.artifact_id
    kept = [t.number for t in study.trials if open_study(engine, "x").trial(t.number).artifact_id]
    best_of_width: dict[int, tuple[float, int]] = {}
    for trial in study.trials:
        width, found = width_class(trial.params["hidden_width"]), (trial.values[0], trial.number)
        best_of_width[width] = min(best_of_width.get(width, found), found)
    assert kept == sorted(number for _, number in best_of_width.values())
    files = {path.name for path in (tmp_path / "sweep.db.artifacts").iterdir()}
    assert files == {open_study(engine, "x").trial(number).artifact_id for number in kept}
    attributes = [
        key for t in study.trials for key in t.system_attrs if key.startswith("artifacts:")
    ]
    assert len(attributes) == len(kept)


# --- control --------------------------------------------------------------------------------


def test_stop_ends_the_study_and_resume_finishes_it(engine: Engine, url: str) -> None:
    observer = post_at(engine, 2, CommandKind.STOP)
    assert run(engine, FakeLauncher(slowly), observer=observer) == "stopped"
    assert TrialState.RUNNING not in states(url)
    assert states(url).count(TrialState.COMPLETE) < 12
    assert go_on(engine) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 12


def test_a_stop_before_the_loop_starts_is_not_lost(engine: Engine, url: str) -> None:
    # Posted by another process after the lease was taken, before the first tick.
    observer = post_at(engine, 0, CommandKind.STOP)
    assert run(engine, FakeLauncher(slowly), observer=observer) == "stopped"


def test_a_resume_that_changes_nothing_tells_of_no_second_end(engine: Engine) -> None:
    def n_ends() -> int:
        return [event.kind for event in open_study(engine, "x").events()].count(EventKind.ENDED)

    run(engine)
    go_on(engine)
    assert n_ends() == 1
    go_on(engine, trials=13)
    assert n_ends() == 2


def test_a_stop_that_waited_is_superseded_by_a_later_start(engine: Engine) -> None:
    run(engine, observer=post_at(engine, 1, CommandKind.STOP), launcher=FakeLauncher(slowly))
    commands.post(engine, "x", CommandKind.STOP)
    assert go_on(engine) == "finished"
    assert [c.outcome for c in open_study(engine, "x").commands()] == [
        "applied",
        "superseded by a later start",
    ]


def test_a_paused_study_starts_nothing_new_until_it_goes_on(engine: Engine, url: str) -> None:
    paused_at: list[float] = []
    pause = post_at(engine, 2, CommandKind.PAUSE)

    def observer(progress: Progress) -> None:
        pause(progress)
        if progress.phase == "paused" and progress.n_running == 0 and not paused_at:
            paused_at.append(progress.n_complete)
            commands.post(engine, "x", CommandKind.CONTINUE)

    assert run(engine, FakeLauncher(slowly), observer=observer) == "finished"
    assert 2 <= paused_at[0] < 12
    assert states(url) == [TrialState.COMPLETE] * 12


def test_enqueue_reaches_a_running_study(engine: Engine, url: str) -> None:
    payload = {"configuration": {"hidden_width": 333}}
    observer = post_at(engine, 2, CommandKind.ENQUEUE, payload)
    run(engine, FakeLauncher(slowly), observer=observer)
    assert 333 in [trial.params["hidden_width"] for trial in trials(url)]


def test_an_enqueued_configuration_outside_the_space_is_refused_with_the_reason(
    engine: Engine,
) -> None:
    payload = {"configuration": {"hidden_width": 5000}}
    observer = post_at(engine, 2, CommandKind.ENQUEUE, payload)
    run(engine, FakeLauncher(slowly), observer=observer)
    (command,) = open_study(engine, "x").commands()
    assert str(command.outcome).startswith("refused") and "5000" in str(command.outcome)


def test_extend_adds_trials_to_a_running_study(engine: Engine, url: str) -> None:
    observer = post_at(engine, 2, CommandKind.EXTEND, {"n_trials": 15})
    run(engine, FakeLauncher(slowly), observer=observer)
    assert states(url) == [TrialState.COMPLETE] * 15


def test_interrupted_once_it_finishes_the_epoch_and_loses_nothing(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = FakeLauncher(slowly)
    assert run(engine, launcher, observer=interrupt_at(2, monkeypatch)) == "interrupted"
    assert any(isinstance(order, Stop) for order in launcher.workers[0].orders)
    assert TrialState.RUNNING not in states(url)
    assert go_on(engine) == "finished"
    assert [t.number for t in trials(url)] == list(range(12))


def test_interrupted_twice_it_stops_now_and_loses_nothing(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        if spec.number == 3:
            time.sleep(60)

    observer = interrupt_at(2, monkeypatch, times=2)
    began = time.monotonic()
    assert run(engine, FakeLauncher(hang), observer=observer) == "interrupted"
    assert time.monotonic() - began < 30
    assert TrialState.RUNNING not in states(url)
    assert go_on(engine) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 12


def test_an_invalid_trial_is_no_longer_the_best(engine: Engine) -> None:
    run(engine)
    best = open_study(engine, "x").best(1)[0].number
    annotate.invalidate(engine, "x", best)
    seen: list[int | None] = []
    resume(
        engine,
        "x",
        ONE,
        lambda progress: seen.append(progress.best_number),
        say=lambda line: None,
        launcher=FakeLauncher(),
        trials=13,
    )
    assert best not in seen


def test_a_trial_marked_invalid_while_it_runs_never_becomes_the_best(
    engine: Engine, url: str
) -> None:
    marked: list[int] = []
    bests: list[int | None] = []

    def on_epoch(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        if spec.number == 0 and not marked:
            marked.append(0)
            annotate.invalidate(engine, "x", 0)
            time.sleep(1.2)  # two looks of the coordinator

    file = study_file(STUDY + "[[enqueue]]\nhidden_width = 1024\n")
    run(
        engine,
        FakeLauncher(on_epoch),
        file=file,
        observer=lambda progress: bests.append(progress.best_number),
    )
    assert 0 not in bests
    assert states(url) == [TrialState.COMPLETE] * 12  # Optuna's state stays
    assert trials(url)[0].value is not None


# --- beginnings -----------------------------------------------------------------------------


def test_a_name_that_is_taken_with_the_same_space_leads_to_resume(engine: Engine) -> None:
    run(engine)
    with pytest.raises(UsageError, match="sweep resume x"):
        run(engine)
    assert run(engine, go_on=True) == "finished"


def test_a_name_that_is_taken_with_another_space_is_refused_in_words(engine: Engine) -> None:
    run(engine)
    with pytest.raises(StudyFileError, match="hidden_width"):
        run(engine, file=study_file(STUDY.replace("low = 8", "low = 16")), go_on=True)


def test_a_widened_range_may_resume(engine: Engine) -> None:
    run(engine)
    file = study_file(STUDY.replace("high = 1024", "high = 2048"), "budget.trials=14")
    assert go_on(engine, study_file=file) == "finished"
    assert open_study(engine, "x").summary().counts["COMPLETE"] == 14


def test_a_changed_sampler_leaves_an_extended_budget_and_is_stored(engine: Engine) -> None:
    run(engine)
    go_on(engine, trials=15)
    go_on(engine, study_file=study_file(STUDY, "sampler.name='tpe'"))
    assert open_study(engine, "x").summary().n_trials == 15
    assert open_study(engine, "x").record().settings.sampler.name == "tpe"
    assert 'name = "tpe"' in open_study(engine, "x").record().study_file
    assert len(open_study(engine, "x").record().provenance["resumed"]) == 2


def test_start_with_resume_takes_the_files_larger_budget(engine: Engine) -> None:
    run(engine)
    assert run(engine, file=study_file(STUDY, "budget.trials=14"), go_on=True) == "finished"
    assert open_study(engine, "x").summary().counts["COMPLETE"] == 14


def test_a_budget_below_what_is_there_is_refused(engine: Engine) -> None:
    run(engine)
    with pytest.raises(UsageError, match="already has 12"):
        go_on(engine, trials=5)
    assert go_on(engine) == "finished"


def test_a_finished_study_starts_no_workers(engine: Engine) -> None:
    run(engine)
    launcher = FakeLauncher()
    assert go_on(engine, launcher) == "finished"
    assert launcher.workers == []


def test_workers_start_while_the_study_is_loaded(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both take seconds: a hundred thousand trials to load, a device to get ready.
    launcher, seen = FakeLauncher(), []
    real = study_of_the_store._load

    def load(*args: Any) -> Any:
        seen.append([worker.name for worker in launcher.workers])
        return real(*args)

    monkeypatch.setattr(study_of_the_store, "_load", load)
    assert run(engine, launcher, options=THREE) == "finished"
    assert seen == [["w0", "w1", "w2"]]
    assert len(launcher.workers) == 3  # the same that trained
    assert states(url) == [TrialState.COMPLETE] * 12


def test_workers_started_ahead_end_when_the_study_cannot_be_loaded(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*args: Any) -> Any:
        raise StoreError("its trial numbers have gaps")

    launcher = FakeLauncher()
    monkeypatch.setattr(study_of_the_store, "_load", load)
    with pytest.raises(StoreError, match="gaps"):
        run(engine, launcher, options=THREE)
    assert len(launcher.workers) == 3
    assert all(worker.wait(5.0) for worker in launcher.workers)


def test_a_full_disk_at_the_end_hides_no_reason_why_a_study_cannot_be_loaded(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*args: Any) -> Any:
        monkeypatch.setattr(lease, "release", full)
        raise StoreError("its trial numbers have gaps")

    def full(*args: Any) -> Any:
        raise NoRoomError("database or disk is full")

    monkeypatch.setattr(study_of_the_store, "_load", load)
    with pytest.raises(StoreError, match="gaps"):
        run(engine, FakeLauncher())


def test_workers_started_ahead_that_are_not_needed_are_not_waited_for(engine: Engine) -> None:
    # They may still load torch, which takes seconds.
    launcher = FakeLauncher()
    setup = WorkerSetup(dataset="x", validation_fraction=0.1, split_seed=0, pruning=False)
    pool = WorkerPool(launcher, setup, numbers=count())
    pool.start_ahead(["cpu", "cpu"])
    assert pool.start("cpu").name == "w0"
    pool.shut_down()
    assert [isinstance(worker.orders[-1], Shutdown) for worker in launcher.workers] == [True, False]
    assert all(worker.wait(0.0) for worker in launcher.workers[1:])


def _says_while_the_study_is_loaded(
    monkeypatch: pytest.MonkeyPatch, launcher: FakeLauncher, *said: Event | Gone
) -> None:
    """The first worker's last words."""
    real = study_of_the_store._load

    def load(*args: Any) -> Any:
        launcher.workers[0].kill()
        for what in said:
            launcher.inbox.put((launcher.workers[0].name, what))
        return real(*args)

    monkeypatch.setattr(study_of_the_store, "_load", load)


def _extend_when_paused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, launcher: FakeLauncher
) -> None:
    """Resume a study that is trained and paused; one trial more, once its workers are ready."""
    run(engine)
    real = study_of_the_store._load

    def load(*args: Any) -> Any:
        opened = real(*args)
        commands.post(engine, "x", CommandKind.PAUSE)
        return opened

    def extend(progress: Progress) -> None:
        if progress.phase == "paused" and progress.n_trials == 12 and not extended:
            extended.append(commands.post(engine, "x", CommandKind.EXTEND, {"n_trials": 13}))
            commands.post(engine, "x", CommandKind.CONTINUE)

    extended: list[int] = []
    monkeypatch.setattr(study_of_the_store, "_load", load)
    changed = study_file(STUDY, "budget.max_failures=5")
    options = {"say": lambda _: None, "study_file": changed, "launcher": launcher}
    assert resume(engine, "x", ONE, extend, **options) == "finished"


def test_a_worker_that_was_ready_before_there_was_anything_to_train_gets_what_comes_later(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Started ahead for a study that turned out to be trained, and was paused: Ready came too early.
    launcher = FakeLauncher()
    _extend_when_paused(engine, monkeypatch, launcher)
    assert len(launcher.workers) == 1
    assert states(url) == [TrialState.COMPLETE] * 13


def test_messages_of_a_worker_started_ahead_are_handled_in_the_order_in_which_it_sent_them(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its request arrives just before it is needed: too much for a worker that is not known to be
    # ready.
    launcher = FakeLauncher(capacity=Capacity(slots=64, hidden_units=1 << 16))
    real, late = WorkerPool.start, list[Event | Gone]()

    def start_late(pool: WorkerPool, device: str) -> Worker:
        for worker in pool._ahead:
            if worker.early_messages:  # not in the run before
                late.append(worker.early_messages.pop())
                launcher.inbox.put((worker.name, late[-1]))
        return real(pool, device)

    monkeypatch.setattr(WorkerPool, "start", start_late)
    _extend_when_paused(engine, monkeypatch, launcher)
    assert [type(message) for message in late] == [TrialRequest]
    assert len(launcher.workers) == 1
    assert states(url) == [TrialState.COMPLETE] * 13


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], "killed by signal 9"),
        ([WorkerFailed(error="DeviceError", message="GPU 0 is full")], "GPU 0 is full"),
    ],
)
def test_a_worker_that_dies_before_the_study_is_loaded_is_replaced(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch, said: list[Event], reason: str
) -> None:
    # Nobody knows it yet: its end waits in the inbox until it is of the crew.
    launcher = FakeLauncher()
    gone = Gone(reason="killed by signal 9")
    _says_while_the_study_is_loaded(monkeypatch, launcher, *said, gone)
    assert run(engine, launcher, options=THREE) == "finished"
    assert [worker.name for worker in launcher.workers] == ["w0", "w1", "w2", "w3"]
    messages = {
        e.worker: e.message for e in open_study(engine, "x").events() if e.kind == "worker gone"
    }
    assert messages == {"w0": f"cpu: {reason}"}
    assert states(url) == [TrialState.COMPLETE] * 12


def test_a_worker_without_its_data_is_heard_though_the_study_was_not_loaded_yet(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = FakeLauncher()
    failed = WorkerFailed(error="DataError", message="its host has no such folder")
    _says_while_the_study_is_loaded(monkeypatch, launcher, failed, Gone(reason="exit code 9"))
    with pytest.raises(DataError, match="no such folder"):
        run(engine, launcher, options=THREE)
    assert all(worker.wait(5.0) for worker in launcher.workers)


def test_two_starts_of_one_study_at_once_make_one_study(storage_url: str) -> None:
    engine = open_store(storage_url, create=True)
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(run, engine, FakeLauncher(slowly), go_on=True) for _ in range(4)]
    errors = [future.exception() for future in runs]
    assert {type(error) for error in errors} <= {type(None), StudyHeldError}
    assert states(storage_url) == [TrialState.COMPLETE] * 12


def test_a_second_coordinator_is_refused_while_the_first_lives(engine: Engine) -> None:
    errors: list[str] = []

    def intrude(progress: Progress) -> None:
        if progress.n_complete == 3 and not errors:
            with pytest.raises(StudyHeldError) as caught:
                go_on(engine)
            errors.append(str(caught.value))

    assert run(engine, FakeLauncher(slowly), observer=intrude) == "finished"
    assert errors


def test_a_study_that_is_not_there_cannot_be_resumed(engine: Engine) -> None:
    with pytest.raises(NotFoundError, match="x"):
        go_on(engine)


def test_other_data_than_before_stop_a_resume(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(engine)
    monkeypatch.setattr("tests.support.fake_workers.Ready", _other_data)
    with pytest.raises(DataError, match="not the one this study began with"):
        go_on(engine, trials=20)


def _other_data(**fields: Any) -> Any:
    from sweep.messages import Ready

    return Ready(**{**fields, "data": dataclasses.replace(fields["data"], sha256="6" * 64)})


def test_a_grid_runs_whole_without_a_budget(engine: Engine, url: str) -> None:
    text = """
    study.name = "x"
    space.hidden_width.choices = [8, 16, 32]
    space.loss.choices = ["bce", "mse"]
    sampler.name = "grid"
    """
    assert run(engine, file=study_file(text)) == "finished"
    points = {(t.params["hidden_width"], t.params["loss"]) for t in trials(url)}
    assert len(trials(url)) == len(points) == 6


def test_a_plan_shows_the_first_configurations_and_writes_nothing(tmp_path: Path) -> None:
    file = study_file(STUDY + "[[enqueue]]\nhidden_width = 784\n")
    shown = plan(file, ONE, 4)
    assert (shown.n_trials, len(shown.first), shown.devices) == (12, 4, ("cpu",))
    assert shown.first[0].hidden_width == 784
    assert not list(tmp_path.iterdir())


def test_a_name_that_plain_optuna_has_taken_is_left_alone(engine: Engine, url: str) -> None:
    optuna.create_study(study_name="x", storage=url)
    with pytest.raises(UsageError, match="not created by sweep"):
        run(engine)


def test_a_database_that_is_away_at_the_last_moment_is_waited_for(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All trials are written; the last transaction, which says that the study is finished, fails.
    write, failures = StudyWriter._write, [StoreError("away"), StoreError("away")]

    def away(writer: StudyWriter, changes: Any, rows: Any) -> None:
        if rows.study.get("phase") == "finished" and failures:
            raise failures.pop()
        write(writer, changes, rows)

    monkeypatch.setattr(StudyWriter, "_write", away)
    monkeypatch.setattr("sweep.coordinator.buffered_writer.RETRY_SECONDS", 0.01)
    assert run(engine) == "finished"
    assert not failures
    study = open_study(engine, "x").summary()
    assert (study.phase, study.running) == ("finished", False)
