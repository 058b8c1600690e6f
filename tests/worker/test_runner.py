"""A worker on any transport: its orders, its heartbeats and its end."""

import time
from queue import SimpleQueue

import pytest

from sweep.errors import DataError
from sweep.messages import Event, Heartbeat, Shutdown, WorkerFailed
from sweep.worker import heartbeat, watchdog
from sweep.worker.runner import OrderInbox, Orders, Send, run_worker
from tests.support.trainer_factories import make_setup


def test_heartbeats_are_sent_while_a_worker_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.01)
    events: list[Event] = []

    def work(_: Orders, __: Send) -> None:
        while not events:
            time.sleep(0.01)

    assert run_worker(work, SimpleQueue(), events.append) == 0
    assert events[0] == Heartbeat()


def test_an_error_of_ours_is_sent_and_becomes_the_exit_code() -> None:
    def work(_: Orders, __: Send) -> None:
        raise DataError("no such folder")

    events: list[Event] = []
    assert run_worker(work, SimpleQueue(), events.append) == DataError.exit_code
    assert events == [WorkerFailed(error="DataError", message="no such folder")]


def test_any_other_error_is_raised() -> None:
    def work(_: Orders, __: Send) -> None:
        raise RuntimeError("the device is lost")

    with pytest.raises(RuntimeError, match="the device is lost"):
        run_worker(work, SimpleQueue(), lambda _: None)


def test_orders_are_queued_and_heartbeats_are_not() -> None:
    orders: Orders = SimpleQueue()
    inbox = OrderInbox(orders)
    inbox.put(Heartbeat())
    inbox.put(Shutdown())
    assert orders.get_nowait() == Shutdown()


def test_a_coordinator_that_falls_silent_after_the_setup_ends_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.02)
    ended: SimpleQueue[float] = SimpleQueue()
    inbox = OrderInbox(SimpleQueue(), ended.put)
    inbox.put(make_setup(silence_seconds=0.1))
    assert ended.get(timeout=10) == 0.1
