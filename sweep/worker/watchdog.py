"""The watchdog of a worker whose coordinator is stopped, hangs, or is cut off.

Its pipes are open, so it would train its trials to the end in vain, and keep its device's memory
from the next coordinator. It exits instead; its trials are trained again.
"""

import os
import sys
import threading
import time
from collections.abc import Callable

#: How a worker ends so; as sysexits.h has it: a failure that is not its own, try again.
EXIT_CODE = 75
#: Between two looks, and what counts of that time at most: one that was suspended itself, with its
#: coordinator or without, has orders to read that it did not wait for.
LOOK_SECONDS = 1.0


class CoordinatorWatchdog:
    """Ends the process when nothing is heard for too long."""

    def __init__(self, end: Callable[[float], None] | None = None) -> None:
        self._end = end or _exit
        self._silent = 0.0

    def begin(self, limit_seconds: float | None) -> None:
        """Start the watch: this long without a heartbeat ends the process; None never does."""
        if limit_seconds is not None:
            threading.Thread(
                target=self._run, args=(limit_seconds,), name="watch", daemon=True
            ).start()

    def heard(self) -> None:
        """Note that the coordinator is alive: an order came, or a heartbeat in place of one."""
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
    """Return why a worker ends whose coordinator was silent for longer than this limit."""
    return f"no heartbeat from its coordinator for {seconds:.0f} s"


def _exit(seconds: float) -> None:
    # Its pipe to the coordinator may be full, and another thread stand in it.
    sys.stderr.write(f"{describe_silence(seconds)}\n")
    sys.stderr.flush()
    os._exit(EXIT_CODE)
