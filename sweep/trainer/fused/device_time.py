"""Measure device time of launches, without gaps in which the device waits for the host."""

import time
from collections.abc import Callable
from typing import Any, Protocol

import torch


class StreamEvent(Protocol):
    """A point in the device's stream: torch.cuda.Event, or a test double."""

    def record(self) -> None:
        """Record this point in the current stream."""

    def synchronize(self) -> None:
        """Wait until the device has reached this point."""

    def elapsed_time(self, end: Any, /) -> float:
        """Return the milliseconds from this point to ``end``."""


class DeviceTimer:
    """Adds up the device's time from the beginning to the end of each launch.

    One pair of events around a whole epoch would count the time that the device waits for a slow
    host between two launches, and an idle card would appear busy. What remains of such a gap is the
    time to launch one CUDA graph, some microseconds, and only if the device is idle already.
    Without a GPU a launch runs synchronously, and is timed by the clock.
    """

    def __init__(
        self, device: torch.device, make_mark: Callable[[], StreamEvent] | None = None
    ) -> None:
        """Create a timer; ``make_mark`` creates a timing event."""
        if make_mark is None and device.type == "cuda":
            make_mark = _timing_event
        self._make_mark = make_mark
        self._time = DeviceTime()

    def run(self, launch: Callable[[], None]) -> None:
        """Launch, and count the device time."""
        if self._make_mark is None:
            began = time.perf_counter()
            launch()
            self._time.host_seconds += time.perf_counter() - began
            return
        begin, end = self._make_mark(), self._make_mark()
        begin.record()
        launch()
        end.record()
        self._time.spans.append((begin, end))

    def take(self) -> "DeviceTime":
        """Return the time of everything launched since the last call."""
        taken, self._time = self._time, DeviceTime()
        return taken


class DeviceTime:
    """Device time of some launches, known once the device has completed them."""

    def __init__(self) -> None:
        self.spans: list[tuple[StreamEvent, StreamEvent]] = []
        self.host_seconds = 0.0

    def wait(self) -> float:
        """Wait for the last launch; return the seconds of all launches."""
        if self.spans:
            self.spans[-1][1].synchronize()
        milliseconds = sum(begin.elapsed_time(end) for begin, end in self.spans)
        return self.host_seconds + milliseconds / 1000


def _timing_event() -> StreamEvent:
    """Create a timing event."""
    event: StreamEvent = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    return event
