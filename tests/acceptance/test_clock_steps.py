"""The clock is set by an hour, forward and back, while a study runs: nothing but times changes.

With SQLite the clock is the coordinator's own, with PostgreSQL its server's.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import select

from benchmarks.chaos_field import Field
from sweep.enums import EventKind
from sweep.store.handle import open_study
from sweep.store.schema import sweep_trials
from tests.support.postgres import NoPostgresError, PostgresServer
from tests.support.preload import preload_library


class Clock:
    """The time of day of processes that have the environment."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(preload_library("set_clock.c", folder)),
            "CLOCK_OFFSET": str(self._file),
        }

    def set(self, offset_seconds: int) -> None:
        """Set it to so many seconds after this process's."""
        self._file.write_text(str(offset_seconds))


@pytest.fixture
def clock() -> Iterator[Clock]:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as another user
        yield Clock(Path(folder))


@pytest.fixture(params=["sqlite", "postgres"])
def study(
    request: pytest.FixtureRequest, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Field]:
    """By that clock; no process of it survives the test."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    study = Field(folder=tmp_path, url=url, dice=random.Random(1), patience=4)
    study.rate = 3  # so slow that trials end by each of the clocks
    if request.param == "sqlite":
        study.environment = clock.environment
        yield study
        study.end()
        return
    with monkeypatch.context() as patch:
        for name, value in clock.environment.items():
            patch.setenv(name, value)
        try:
            study.server = PostgresServer.start()
        except NoPostgresError as error:
            pytest.skip(str(error))
    study.url = study.server.new_database()
    yield study
    study.end()
    study.server.stop()


def test_a_clock_that_is_set_by_an_hour_changes_nothing_but_times(
    study: Field, clock: Clock
) -> None:
    study.prepare(30, "budget.max_seconds = 3000\n")
    study.progress(2)
    for offset in (3600, -3600, 0):
        clock.set(offset)
        study.progress(4)
    assert study.finish() == []
    assert study.tally["coordinators"] == 1
    found = open_study(study.engine, "chaos")
    kinds = {event.kind for event in found.events()}
    assert not kinds & {EventKind.WORKER_GONE, EventKind.COORDINATOR_GONE}
    assert "all 30 trials are done" in str(found.summary().ended_because)
    with study.engine.connect() as connection:
        times = list(connection.scalars(select(sweep_trials.c.finished_at)))
    assert max(times) - min(times) > 7000, "trials ended by each clock"
    assert found.usage().wall_seconds < 3000
