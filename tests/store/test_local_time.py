"""Moments of many trials, brought into local time at the cost of a few questions to the system."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sweep.store.optuna_rows import LocalTime


@pytest.fixture(params=["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "day", [datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 7, 1)]
)
@pytest.mark.parametrize("minutes", [7, -7, 400])
def test_moments_are_the_systems_own_also_where_clocks_change(
    zone: str, day: datetime, minutes: int
) -> None:
    local = LocalTime()
    for i in range(300):
        moment = day + timedelta(minutes=minutes * i, seconds=i % 60)
        expected = moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
        assert local.of(moment) == expected, zone


def test_a_trial_that_has_not_begun_has_no_moment() -> None:
    assert LocalTime().of(None) is None
