"""What a study has used, between two looks at the database and while there is none."""

import pytest

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
