"""Workers whose coordinators stand still: when they leave, and when they must not."""

import threading
import time

import pytest

from sweep.worker import watchdog
from sweep.worker.watchdog import CoordinatorWatchdog


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.02)


def watch(limit: float | None) -> tuple[CoordinatorWatchdog, threading.Event]:
    left = threading.Event()
    watch = CoordinatorWatchdog(lambda seconds: left.set())
    watch.begin(limit)
    return watch, left


def test_a_worker_leaves_when_nothing_comes_any_more() -> None:
    _, left = watch(0.5)
    assert not left.wait(0.2)
    assert left.wait(10)


def test_a_worker_that_is_spoken_to_stays() -> None:
    one, left = watch(1.0)
    until = time.monotonic() + 2.0
    while time.monotonic() < until:
        one.heard()
        assert not left.wait(0.05)


def test_without_a_limit_a_worker_stays() -> None:
    _, left = watch(None)
    assert not left.wait(0.3)


def test_time_in_which_the_worker_itself_was_suspended_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # With its coordinator, as when a machine sleeps: what it was sent meanwhile is still to read.
    jump = [0.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda now=time.monotonic: now() + jump[0])
    _, left = watch(1.0)
    time.sleep(0.1)
    jump[0] = 3600.0
    assert not left.wait(0.3)
    assert left.wait(10)
