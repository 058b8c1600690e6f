"""Workers that stand still are noticed; those that nobody listened to are not blamed."""

from sweep.coordinator.heartbeat_monitor import HeartbeatMonitor


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def listen(silence: HeartbeatMonitor, clock: Clock, seconds: int) -> list[str]:
    """Look every half second; who was silent for too long at the last look."""
    found: list[str] = []
    for _ in range(2 * seconds):
        clock.seconds += 0.5
        found = silence.find_silent(["w0", "w1"])
    return found


def test_a_worker_is_silent_for_as_long_as_nothing_is_heard_of_it() -> None:
    clock = Clock()
    silence = HeartbeatMonitor(10, clock)
    assert listen(silence, clock, 9) == []
    silence.record("w1")
    assert listen(silence, clock, 9) == ["w0"]
    assert listen(silence, clock, 2) == ["w0", "w1"]


def test_a_new_worker_has_the_whole_time_before_it() -> None:
    clock = Clock()
    silence = HeartbeatMonitor(10, clock)
    clock.seconds = 100
    assert listen(silence, clock, 10) == []
    assert listen(silence, clock, 1) == ["w0", "w1"]


def test_time_in_which_the_coordinator_was_suspended_is_not_the_workers_silence() -> None:
    # It was stopped for an hour; the heartbeats of that hour are still in its workers' pipes.
    clock = Clock()
    silence = HeartbeatMonitor(10, clock)
    assert listen(silence, clock, 5) == []
    clock.seconds += 3600
    assert silence.find_silent(["w0", "w1"]) == []
    silence.record("w0")
    assert listen(silence, clock, 5) == ["w1"]
