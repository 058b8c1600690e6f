"""Which workers have been silent for too long: stopped, or hanging in their operating system.

Silence is counted in time in which the coordinator listened. One that was itself suspended, or was
long in a sampler or a transaction, has its workers' heartbeats still to read: it holds nothing
against them that it did not wait for.
"""

import time
from collections.abc import Callable

#: What counts of the time between two looks, at most.
LOOK_SECONDS = 1.0


class HeartbeatMonitor:
    """Counts how long each worker was not heard."""

    def __init__(self, limit_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_seconds = limit_seconds
        self._clock = clock
        self._looked_at = clock()
        #: Seconds of silence by worker name.
        self._silent: dict[str, float] = {}

    def heard(self, name: str) -> None:
        """It said something, whatever it was."""
        self._silent[name] = 0.0

    def too_long(self, names: list[str]) -> list[str]:
        """Those, of the workers there are, that were silent for the limit; to be called often."""
        now = self._clock()
        passed, self._looked_at = min(now - self._looked_at, LOOK_SECONDS), now
        self._silent = {name: self._silent.get(name, -passed) + passed for name in names}
        return [name for name, seconds in self._silent.items() if seconds >= self._limit_seconds]
