"""Detect workers that send no heartbeat: stopped, or hanging in the operating system.

Only time in which the coordinator listened counts. If it was suspended itself, or spent long in a
sampler or a transaction, its workers' heartbeats are still unread.
"""

import time
from collections.abc import Callable

#: Maximum time that counts between two calls of ``find_silent``.
MOST_COUNTED_SECONDS = 1.0


class HeartbeatMonitor:
    """Counts how long each worker has sent nothing."""

    def __init__(self, limit_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_seconds = limit_seconds
        self._clock = clock
        self._checked_at = clock()
        #: Seconds without a message, by worker name.
        self._silent: dict[str, float] = {}

    def record(self, name: str) -> None:
        """Record that a worker sent a message of any kind."""
        self._silent[name] = 0.0

    def find_silent(self, names: list[str]) -> list[str]:
        """Find the workers that were silent for the limit; call it at least once a second."""
        now = self._clock()
        passed, self._checked_at = min(now - self._checked_at, MOST_COUNTED_SECONDS), now
        self._silent = {name: self._silent.get(name, -passed) + passed for name in names}
        return [name for name, seconds in self._silent.items() if seconds >= self._limit_seconds]
