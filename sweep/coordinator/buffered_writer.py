"""Write the loop's rows in a thread, and keep them while the database is unavailable.

The loop waits for each write, so that rows are stored before the orders that depend on them are
sent; but no longer than WAIT_SECONDS. After that, or when a write failed, the database is *away*: a
server that restarts, a file that another process has locked, a host that does not answer. The loop
continues to handle messages and to dispatch trials, and its rows wait in memory, in order.

At most PENDING_BYTES wait, by the estimate in ``pending_bytes``. Beyond that no more trials are
dispatched; workers finish what they have (each at most 1.25 populations). After
``max_away_seconds`` the coordinator gives up. What was written stays, and the rest is trained
again, as after a crash.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from textwrap import shorten

from sweep.coordinator.background_query import BackgroundCall
from sweep.errors import LeaseLostError, StoreError, StoreGoneError, SweepError
from sweep.store.lease import RENEW_SECONDS
from sweep.store.writer import StudyWriter

#: How long the loop waits for a write before the database counts as away.
WAIT_SECONDS = 2.0
#: How long rows wait for others to share their transaction, unless they are urgent.
GATHER_SECONDS = 0.25
#: Between a write that failed and the next.
RETRY_SECONDS = 1.0
PENDING_BYTES = 256 * 2**20
#: Longest excerpt of a driver's message, which may fill a page.
REASON_LETTERS = 120


class BufferedWriter:
    """Writes a study's rows in order, and retries while the database is away."""

    def __init__(self, writer: StudyWriter, *, max_away_seconds: float) -> None:
        self._writer = writer
        self._max_away_seconds = max_away_seconds
        self._write: BackgroundCall[None] | None = None
        self._away_since: float | None = None
        self._away_because = ""
        self._next_try = self._next_renewal = self._next_write = 0.0

    @property
    def is_away(self) -> bool:
        """Whether the database is away, so that rows wait in memory."""
        return self._away_since is not None

    @property
    def has_room(self) -> bool:
        """Whether trials may be dispatched before their rows are written."""
        return self._writer.pending_bytes < PENDING_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether every row up to the last flush is written."""
        return self._write is None and not self._writer.has_pending

    def flush(self, *, at_once: bool) -> bool:
        """Write the rows so far and renew the lease; return whether all of them are written.

        Unless ``at_once``, rows gather for GATHER_SECONDS after the last write.

        Raises StoreError when the database was away for too long, at once when it has lost rows
        that it had confirmed; NoRoomError when it is full, LeaseLostError when another coordinator
        holds the study.
        """
        while self._write is not None or self._is_due(at_once):
            if self._write is None:
                if time.monotonic() < self._next_try:
                    return False
                self._writer.stage()
                self._write = BackgroundCall(self._writer.land, name="write")
            # While the database is away only poll, except at the end: the last write must not land
            # after this coordinator has given up.
            if not self._write.wait(WAIT_SECONDS if not self.is_away or self._is_over() else 0.0):
                self._note_away("it does not answer")
                return False
            write, self._write = self._write, None
            if isinstance(write.error, StoreError) and not _is_final(write.error):
                self._next_try = time.monotonic() + RETRY_SECONDS
                self._note_away(str(write.error))
                return False
            if write.error is not None:
                raise write.error
            self._away_since = None
            self._next_renewal = time.monotonic() + RENEW_SECONDS
            self._next_write = time.monotonic() + GATHER_SECONDS
        return not self._writer.has_changes

    def close(self, *, hurry: Callable[[], bool]) -> None:
        """Write the last rows and release the lease.

        Once ``hurry`` returns True, wait only for the write under way; the lease then expires.
        """
        while not self.flush(at_once=True):
            if hurry():
                if self._write is not None:
                    self._write.wait(WAIT_SECONDS)
                return
            time.sleep(0.1)
        with suppress(SweepError):  # the lease expires
            self._writer.release()

    def message(self) -> str | None:
        """Message for users while the database is away; None otherwise."""
        if self._away_since is None:
            return None
        waiting = self._writer.pending_bytes / 2**20
        rest = "workers continue" if self.has_room else "no more trials are dispatched"
        return (
            f"the database has been away for {time.monotonic() - self._away_since:.0f} s "
            f"({self._away_because}): {rest}, their results wait "
            f"({waiting:.1f} of {PENDING_BYTES / 2**20:.0f} MiB); "
            f"giving up after {self._max_away_seconds:.0f} s"
        )

    def _is_due(self, at_once: bool) -> bool:
        now = time.monotonic()
        if now >= self._next_renewal:
            return True
        return self._writer.has_changes and (at_once or now >= self._next_write)

    def _is_over(self) -> bool:
        """Return whether the database has been away for longer than the study allows."""
        since = self._away_since
        return since is not None and time.monotonic() - since > self._max_away_seconds

    def _note_away(self, reason: str) -> None:
        self._away_since = self._away_since or time.monotonic()
        self._away_because = shorten(reason, REASON_LETTERS, placeholder=" …")
        if self._is_over():
            raise StoreError(
                f"the database was away for {self._max_away_seconds:.0f} s "
                f"(budget.max_away_seconds): {reason}"
            )


def _is_final(error: SweepError) -> bool:
    """Return whether a retry cannot succeed."""
    return isinstance(error, LeaseLostError | StoreGoneError)
