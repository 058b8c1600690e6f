"""Track a running study's usage: read twice a second, and extrapolated in between."""

import time
from collections.abc import Callable
from dataclasses import replace

from sweep.coordinator.background_query import BackgroundQuery
from sweep.errors import CorruptValueError, StoreError
from sweep.store.usage import Usage

READ_SECONDS = 0.5


class UsageTracker:
    """The study's usage, extrapolated while the database is away."""

    def __init__(self, read: Callable[[], Usage] | None) -> None:
        """``read`` queries the database; it is None if no budget depends on usage."""
        # With the time of the answer: a late one counts from then.
        self._read = None if read is None else BackgroundQuery(lambda: (read(), time.monotonic()))
        self._last = Usage()
        self._read_at = self._tried_at = float("-inf")

    def now(self, *, may_read: bool = True) -> Usage:
        """Return the usage until now.

        Without ``may_read`` the database is not queried, which would block while it is away.
        Raises CorruptValueError.
        """
        if self._read is None:
            return self._last
        is_unknown = self._read_at == float("-inf")
        if may_read and (is_unknown or time.monotonic() - self._tried_at >= READ_SECONDS):
            self._tried_at = time.monotonic()
            try:
                answer = self._read.poll()
            except CorruptValueError:
                raise  # it stays corrupt, and the budget would never be used up
            except StoreError:
                answer = None  # the next flush reports it
            if answer is not None:
                self._last, self._read_at = answer
        if self._read_at == float("-inf"):
            return self._last
        since = time.monotonic() - self._read_at
        return replace(
            self._last,
            wall_seconds=self._last.wall_seconds + since,
            gpu_seconds=self._last.gpu_seconds + since * self._last.n_gpus,
        )
