"""The database is away, hangs or stays away: workers go on, as far as there is room to wait."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest
from optuna.trial import TrialState
from sqlalchemy import text

from sweep.coordinator import buffered_writer
from sweep.coordinator.background_query import BackgroundQuery
from sweep.coordinator.buffered_writer import BufferedWriter
from sweep.coordinator.progress import Progress
from sweep.coordinator.usage_tracker import UsageTracker
from sweep.errors import NoRoomError, StoreError
from sweep.store.commands import Command
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.usage import Usage
from sweep.store.writer import Rows, StudyWriter
from tests.support.coordinator_runs import (
    STUDY,
    go_on,
    interrupt_at,
    let_the_lease_go,
    run,
    states,
    study_file,
    trials,
)
from tests.support.fake_workers import FakeLauncher, slowly


class Hanging:
    """A database that does not answer between ``hang`` and ``answer``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._answers = threading.Event()
        self._answers.set()
        real = StudyWriter._write_ours

        def write(writer: StudyWriter, *args: Any) -> Any:
            self._answers.wait()
            return real(writer, *args)

        monkeypatch.setattr(StudyWriter, "_write_ours", write)
        monkeypatch.setattr(buffered_writer, "WAIT_SECONDS", 0.05)

    def hang(self) -> None:
        self._answers.clear()

    def answer(self) -> None:
        self._answers.set()

    @property
    def hangs(self) -> bool:
        return not self._answers.is_set()


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    hanging = Hanging(monkeypatch)
    yield hanging
    hanging.answer()


def between(
    hanging: Hanging, n_hang: int, back: Callable[[Progress], bool], seen: list[Progress]
) -> Callable[[Progress], None]:
    """Hangs once so many trials are complete, until ``back`` says so; ``seen`` while it hangs."""

    def observer(progress: Progress) -> None:
        if not seen and progress.n_complete >= n_hang:
            hanging.hang()
        if hanging.hangs:
            seen.append(progress)
            if back(progress):
                hanging.answer()

    return observer


def test_trials_are_handed_out_and_finish_while_the_database_hangs(
    engine: Engine, url: str, hanging: Hanging
) -> None:
    # A worker holds two trials. More are complete before the database answers, so they were handed
    # out before their rows were written.
    seen: list[Progress] = []
    observer = between(hanging, 2, lambda progress: progress.n_complete >= 9, seen)
    assert run(engine, FakeLauncher(slowly), observer=observer) == "finished"
    assert "s (it does not answer): workers continue" in str(seen[-1].message)
    assert states(url) == [TrialState.COMPLETE] * 12
    assert all(set(trial.intermediate_values) == {1, 2, 3} for trial in trials(url))


def test_a_study_goes_on_while_the_database_does_not_tell_what_users_want(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server that was stopped answers the next to ask, a reader as well as a writer, not at all.
    monkeypatch.setattr("sweep.coordinator.background_query.WAIT_SECONDS", 0.2)
    answers, asked = threading.Event(), threading.Event()

    def hangs(*_: object) -> list[Command]:
        asked.set()
        answers.wait()
        return []

    monkeypatch.setattr("sweep.coordinator.run.list_pending", hangs)
    phases: list[str] = []
    running = threading.Thread(target=lambda: phases.append(run(engine, FakeLauncher(slowly))))
    running.start()
    running.join(30)
    ended_by_itself = phases == ["finished"]
    answers.set()
    running.join()
    assert asked.is_set() and ended_by_itself
    assert states(url) == [TrialState.COMPLETE] * 12


def test_a_study_ends_in_time_though_the_database_does_not_tell_what_it_used() -> None:
    answers = threading.Event()
    spending = UsageTracker(lambda: Usage(wall_seconds=1.0) if answers.wait() else Usage())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sweep.coordinator.background_query.WAIT_SECONDS", 0.1)
        assert spending.now() == Usage()
        spending._tried_at -= 60
        assert spending.now() == Usage(), "nobody waits for it twice"
        answers.set()
        deadline = time.monotonic() + 10
        while spending.now().wall_seconds < 1.0 and time.monotonic() < deadline:
            spending._tried_at -= 60
            time.sleep(0.01)
    assert spending.now().wall_seconds >= 1.0


def test_why_the_database_is_away_is_said_in_short(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = ["connection refused " * 40, "is the server running?"]
    land = StudyWriter.land

    def refuse(writer: StudyWriter) -> None:
        if refusals and open_study(engine, "x").summary().n_finished >= 2:
            raise StoreError(refusals.pop(0))
        land(writer)

    monkeypatch.setattr(StudyWriter, "land", refuse)
    monkeypatch.setattr(buffered_writer, "RETRY_SECONDS", 0.1)
    seen: list[str] = []
    observer = lambda progress: seen.append(str(progress.message))  # noqa: E731
    assert run(engine, FakeLauncher(slowly), observer=observer) == "finished"
    first = next(message for message in seen if "refused" in message)
    assert first.count("connection refused") < 8 and "refused …): workers continue" in first
    assert any("(is the server running?)" in message for message in seen)
    assert states(url) == [TrialState.COMPLETE] * 12


def test_what_a_slow_database_answers_too_late_is_heard_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Asked anew instead, one that always takes so long would never tell of `sweep stop`.
    monkeypatch.setattr("sweep.coordinator.background_query.WAIT_SECONDS", 0.0)
    answers: SimpleQueue[str] = SimpleQueue()
    slow = BackgroundQuery(answers.get)
    assert slow.poll() is None
    answers.put("stop")
    deadline = time.monotonic() + 10
    while (answer := slow.poll()) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert answer == "stop"


def test_no_more_is_handed_out_when_no_more_can_wait(
    engine: Engine, url: str, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffered_writer, "PENDING_BYTES", 20_000)  # three trials
    seen: list[Progress] = []

    def stands_still(progress: Progress) -> bool:
        return len(seen) > 8 and seen[-8].n_complete == progress.n_complete

    observer = between(hanging, 2, stands_still, seen)
    assert run(engine, FakeLauncher(slowly), observer=observer) == "finished"
    assert seen[-1].n_complete <= 2 + 3 + 2, "and those that it held"
    assert "no more trials are dispatched" in str(seen[-1].message)
    assert states(url) == [TrialState.COMPLETE] * 12


def test_a_coordinator_that_ends_while_the_database_hangs_loses_only_what_had_not_landed(
    engine: Engine, url: str, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Trials were handed out, and finished, that the database has never heard of; the next
    # coordinator asks for trials of the same numbers.
    seen: list[Progress] = []
    interrupt = interrupt_at(9, monkeypatch, times=2)
    between_them = between(hanging, 2, lambda progress: False, seen)

    def observer(progress: Progress) -> None:
        between_them(progress)
        interrupt(progress)

    assert run(engine, FakeLauncher(slowly), observer=observer) == "interrupted"
    assert seen[-1].n_complete >= 9
    hanging.answer()
    deadline = time.monotonic() + 30
    while any(thread.name == "write" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    let_the_lease_go(engine)
    assert go_on(engine) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 12
    assert [row.number for row in open_study(engine, "x").trials()] == list(range(12))


def test_a_database_that_hangs_for_too_long_is_given_up_at_once(
    engine: Engine, hanging: Hanging
) -> None:
    observer = between(hanging, 2, lambda progress: False, [])
    file = study_file(STUDY, "budget.max_away_seconds=1")
    with pytest.raises(StoreError, match="away for 1 s .*it does not answer"):
        run(engine, FakeLauncher(slowly), file, observer=observer)


class Refused:
    """A writer whose database refuses every write, and takes its time over it."""

    has_changes = has_pending = True
    pending_bytes = 0
    seconds = 0.0
    n_under_way = 0

    def stage(self) -> None: ...

    def land(self) -> None:
        self.n_under_way += 1
        time.sleep(self.seconds)
        self.n_under_way -= 1
        raise StoreError("connection refused")


@pytest.mark.parametrize("gives_up", [True, False])
def test_no_write_is_under_way_after_the_end(
    monkeypatch: pytest.MonkeyPatch, gives_up: bool
) -> None:
    # It would renew the lease of a study that nobody runs any more.
    monkeypatch.setattr(buffered_writer, "RETRY_SECONDS", 0.0)
    writer: Any = Refused()
    box = BufferedWriter(writer, max_away_seconds=0.01 if gives_up else 60.0)
    assert not box.flush(at_once=True)
    time.sleep(0.02)
    writer.seconds = 0.3
    if gives_up:
        with pytest.raises(StoreError, match="away for 0 s .*connection refused"):
            box.flush(at_once=True)
    else:
        box.close(hurry=lambda: True)
    assert writer.n_under_way == 0


def test_a_study_is_finished_though_no_room_is_left_to_release_its_lease(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(writer: StudyWriter) -> None:
        raise NoRoomError("database or disk is full")

    monkeypatch.setattr(StudyWriter, "release", full)
    assert run(engine, FakeLauncher()) == "finished"
    assert open_study(engine, "x").summary().phase == "finished"


def test_an_sqlite_file_that_another_process_locks_holds_nobody_up(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffered_writer, "WAIT_SECONDS", 0.05)
    seen: list[Progress] = []
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)

    def observer(progress: Progress) -> None:
        if not seen and progress.n_complete >= 2:
            other.execute("BEGIN IMMEDIATE")
        if progress.n_complete >= 2:
            seen.append(progress)
        if progress.n_complete == 12 and other.in_transaction:
            other.execute("ROLLBACK")

    assert run(engine, FakeLauncher(slowly), observer=observer) == "finished"
    other.close()
    assert any("away" in str(progress.message) for progress in seen)
    assert states(url) == [TrialState.COMPLETE] * 12
    with engine.connect() as check:
        assert check.scalar(text("PRAGMA integrity_check")) == "ok"


def test_what_waits_is_counted_in_bytes() -> None:
    rows = Rows()
    rows.trials[0] = {}
    rows.results[0, 0] = {}
    rows.epochs.update({(0, 0, epoch): {} for epoch in (1, 2)})
    rows.reconstructions[0] = {"reconstructions_png": b"1234", "errors_png": None}
    rows.decompositions[0] = {"decomposition": {"end_to_end": [1.0, 0.5]}}
    rows.probes[0] = {"probe": {}}
    assert rows.about_bytes() == 3000 + 1000 + 2 * 600 + 4 + 1000 + 2 * 40 + 2500
