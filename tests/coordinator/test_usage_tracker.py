"""What a study has used, between two looks at the database and while there is none."""

from types import SimpleNamespace

import pytest

from sweep.coordinator import usage_tracker
from sweep.coordinator.usage_tracker import UsageTracker
from sweep.errors import CorruptValueError, StoreError
from sweep.store.usage import Usage


def test_a_database_that_is_away_is_not_asked_and_time_goes_on() -> None:
    asked: list[int] = []

    def read() -> Usage:
        asked.append(1)
        return Usage(wall_seconds=10.0, gpu_seconds=5.0, n_gpus=2)

    spending = UsageTracker(read)
    first = spending.now()
    later = spending.now(may_read=False)
    assert len(asked) == 1
    assert later.wall_seconds >= first.wall_seconds >= 10.0
    assert later.gpu_seconds >= 5.0


def test_one_that_refuses_leaves_what_was_known() -> None:
    def read() -> Usage:
        raise StoreError("connection refused")

    assert UsageTracker(read).now() == Usage()


def test_a_broken_value_is_told_rather_than_counted_as_nothing_used() -> None:
    def read() -> Usage:
        raise CorruptValueError("sweep_workers.started_at", "should be a number, found 'x'")

    with pytest.raises(CorruptValueError, match="started_at"):
        UsageTracker(read).now()


def test_time_that_a_query_takes_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(usage_tracker, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def read() -> Usage:
        clock[0] += 1.5
        return Usage(wall_seconds=clock[0])

    assert UsageTracker(read).now().wall_seconds == 1.5


def test_until_something_is_known_each_call_asks() -> None:
    answers = [Usage(wall_seconds=7.0)]

    def read() -> Usage:
        if len(answers) == 1:
            answers.append(answers[0])
            raise StoreError("connection refused")
        return answers[0]

    tracker = UsageTracker(read)
    assert tracker.now() == Usage()
    assert tracker.now().wall_seconds >= 7.0
