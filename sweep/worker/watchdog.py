"""Watch the coordinator of a worker, which may be stopped, hang, or be cut off.

The worker's pipes stay open then, so it would train its trials to the end in vain, and keep its
device's memory from the next coordinator. It exits instead; its trials are trained again.
"""

import os
import sys
import threading
import time
from collections.abc import Callable

#: Exit code of a worker without a coordinator: EX_TEMPFAIL of sysexits.h.
EXIT_CODE = 75
#: Interval of the checks, and the maximum that counts of it: a worker that was itself suspended,
#: with its coordinator or alone, has unread orders that it did not wait for.
LOOK_SECONDS = 1.0


class CoordinatorWatchdog:
    """Ends the process after too long a silence."""

    def __init__(self, end: Callable[[float], None] | None = None) -> None:
        self._end = end or _exit
        self._silent = 0.0

    def begin(self, limit_seconds: float | None) -> None:
        """Start watching: the process ends after this long without a heartbeat; with None never."""
        if limit_seconds is not None:
            threading.Thread(
                target=self._run, args=(limit_seconds,), name="watch", daemon=True
            ).start()

    def heard(self) -> None:
        """Record that the coordinator is alive, because an order or a heartbeat arrived."""
        self._silent = 0.0

    def _run(self, limit_seconds: float) -> None:
        looked_at = time.monotonic()
        while self._silent < limit_seconds:
            time.sleep(LOOK_SECONDS)
            now = time.monotonic()
            self._silent += min(now - looked_at, 2 * LOOK_SECONDS)
            looked_at = now
        self._end(limit_seconds)


def describe_silence(seconds: float) -> str:
    """Describe why a worker ends whose coordinator was silent for longer than this limit."""
    return f"no heartbeat from its coordinator for {seconds:.0f} s"


def _exit(seconds: float) -> None:
    # Its pipe to the coordinator may be full, and another thread may be blocked on it.
    sys.stderr.write(f"{describe_silence(seconds)}\n")
    sys.stderr.flush()
    os._exit(EXIT_CODE)
