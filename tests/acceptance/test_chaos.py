"""A few faults of every kind in studies of real processes; `benchmarks.chaos` injects hundreds.

The workers are simulated ones: real processes that train nothing.
"""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from benchmarks.chaos_field import SILENCE_SECONDS, Field
from sweep.enums import EventKind
from sweep.store.handle import open_study
from tests.support.postgres import NoPostgresError, PostgresServer


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server that may be killed, and keeps what was committed."""
    try:
        server = PostgresServer.start(durable=True)
    except NoPostgresError as error:
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Field]:
    """In SQLite; no process of it survives the test."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    study = Field(folder=tmp_path, url=url, dice=random.Random(1), rate=8, lock_seconds=2)
    yield study
    study.end()


def test_killed_stopped_and_locked_a_study_in_sqlite_loses_and_repeats_nothing(
    study: Field,
) -> None:
    study.prepare(trials=90)  # more than are trained before the last fault: it needs a worker
    for fault in (
        *(study.kill_worker, study.lock_database, study.kill_coordinator),
        *(study.stop_coordinator, study.kill_worker),
    ):
        study.progress(1)
        fault()
    assert study.finish() == []
    assert study.tally["kills of workers"] + study.tally["kills of coordinators"] == 3


def test_killed_with_its_server_a_study_in_postgres_loses_and_repeats_nothing(
    study: Field, postgres: PostgresServer
) -> None:
    study.server, study.url = postgres, postgres.new_database()
    study.prepare(trials=64)
    for fault in (
        *(study.kill_worker, study.kill_database),
        *(study.kill_coordinator, study.kill_database),
    ):
        study.progress(1)
        fault()
    assert study.finish() == []
    assert study.tally["kills of workers"] + study.tally["kills of coordinators"] == 2
    assert study.tally["coordinators"] == 2, "the killed one and the one after it waited for it"


def test_a_study_goes_on_with_the_server_that_took_over(
    study: Field, postgres: PostgresServer
) -> None:
    standby = postgres.start_standby()
    url = make_url(postgres.new_database())
    hosts = [f"{server.host}:{server.port}" for server in (postgres, standby)]
    query = {"host": hosts, "target_session_attrs": "read-write"}
    several = URL.create(
        url.drivername, url.username, url.password, database=url.database, query=query
    )
    study.url = several.render_as_string(hide_password=False)
    try:
        study.prepare(trials=48)
        study.progress(5)
        postgres.kill()
        time.sleep(3)  # away for longer than the loop waits for a write
        standby.promote()
        assert study.finish() == []
    finally:
        standby.stop()
    assert study.tally["ended: finished"] == study.tally["coordinators"], "they waited for it"


def test_a_coordinator_that_wakes_after_its_lease_ran_out_ends_with_its_workers(
    study: Field,
) -> None:
    # Stopped for longer than its lease, it is taken for dead, and another goes on. Waking, it still
    # believes that the study is its own, and so do its workers, which trained meanwhile.
    study.prepare(trials=48)
    study.progress(5)
    while not study.tally["take-overs"]:  # it may have been stopped within a transaction
        study.take_over()
    assert study.finish() == []
    assert study.tally["ended: lease"] == 1
    assert "another coordinator has taken over this study" in (study.folder / "log").read_text()


def test_a_suspended_worker_and_a_suspended_coordinator_lose_no_trial(study: Field) -> None:
    # A worker first: its coordinator ends it, and gives its trials to another. Then the coordinator
    # (Ctrl-Z, say): its workers free their devices. Nobody takes the study over; woken, it finds
    # them gone, and starts others.
    study.prepare(trials=100)  # more than are trained before the second fault: it needs workers
    study.progress(2)
    worker = study.pick_worker()
    assert worker is not None
    worker.suspend()
    study.wait("it is ended", lambda: not worker.is_running(), 60)
    coordinator = study.running_coordinator()
    study.wait("another is there", lambda: len(coordinator.live_workers()) == study.n_workers)
    study.progress(5)
    coordinator.send(signal.SIGSTOP)
    study.wait("its workers end", lambda: not coordinator.live_workers(), SILENCE_SECONDS + 20)
    coordinator.send(signal.SIGCONT)
    assert study.finish() == []
    ended = [
        event.message.partition(": ")[2]
        for event in open_study(study.engine, "chaos").events()
        if event.kind == EventKind.WORKER_GONE
    ]
    # On a busy machine those that replace them may take more than 5 s until their first heartbeat.
    assert "killed: no heartbeat for 5 s" in ended
    left_alone = "exit code 75: no heartbeat from its coordinator for 5 s"
    assert ended.count(left_alone) == study.n_workers
