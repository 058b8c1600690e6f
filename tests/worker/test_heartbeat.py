"""Signs of life come whatever the worker is busy with."""

import threading
import time

import pytest

from sweep.messages import Event, Heartbeat
from sweep.worker import heartbeat
from sweep.worker.heartbeat import send_heartbeats


def test_a_busy_worker_gives_signs_of_life_and_stops_when_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.01)
    sent: list[Event] = []
    with send_heartbeats(sent.append):
        while len(sent) < 3:
            time.sleep(0.01)
    assert sent[0] == Heartbeat()
    assert "heartbeat" not in [thread.name for thread in threading.enumerate()]
