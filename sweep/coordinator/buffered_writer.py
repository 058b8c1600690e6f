"""The ticks' rows on their way to the database, which may be away.

Rows are written by a thread. The loop waits for it, so that what it sends was written before;
but no longer than WAIT_SECONDS. After that, or when a write failed, the database is *away*: a
server that restarts, a file that another process has locked, a host that does not answer. The loop
goes on hearing, asking and handing out, and its rows wait in memory, in order, until they land.

How much may wait: PENDING_BYTES, by the formula in ``pending_bytes``. Beyond it no more trials are
handed out; workers finish what they hold (each at most a population and a quarter), and then stand
still. How long: ``max_away_seconds``, then the coordinator gives up, as it would have to when it is
killed: what has landed stays, and what has not is trained again.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from textwrap import shorten

from sweep.errors import LeaseLostError, StoreError, StoreGoneError, SweepError
from sweep.store.lease import RENEW_SECONDS
from sweep.store.writer import StudyWriter

#: How long the loop waits for a write before it calls the database away.
WAIT_SECONDS = 2.0
#: How long rows may wait for others to share their transaction, where nobody waits for them.
GATHER_SECONDS = 0.25
#: Between a write that failed and the next.
RETRY_SECONDS = 1.0
PENDING_BYTES = 256 * 2**20
#: Of a driver's words, which may fill a page.
REASON_LETTERS = 120


class BufferedWriter:
    """Writes a study's rows in their order; says whether they have landed."""

    def __init__(self, writer: StudyWriter, *, max_away_seconds: float) -> None:
        self._writer = writer
        self._max_away_seconds = max_away_seconds
        self._write: PendingWrite | None = None
        self._away_since: float | None = None
        self._away_because = ""
        self._next_try = self._next_renewal = self._next_write = 0.0

    @property
    def is_away(self) -> bool:
        """Whether the database is: what was noted since then waits."""
        return self._away_since is not None

    @property
    def has_room(self) -> bool:
        """Whether trials may be handed out though their rows are not written yet."""
        return self._writer.pending_bytes < PENDING_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether everything up to the last flush has landed."""
        return self._write is None and not self._writer.has_pending

    def flush(self, *, at_once: bool) -> bool:
        """PendingWrite what has gathered, and renew the lease; False while it has not landed.

        Not ``at_once``, it goes on gathering for GATHER_SECONDS after the last write.

        Raises StoreError when the database was away for too long, at once when it is another than
        before; NoRoomError when it is full, LeaseLostError when the study is no longer ours.
        """
        while self._write is not None or self._is_due(at_once):
            if self._write is None:
                if time.monotonic() < self._next_try:
                    return False
                self._writer.stage()
                self._write = PendingWrite(self._writer)
            # Away, it is only looked at; the last one is waited for, lest it land after the end.
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
        """PendingWrite the last rows and give the lease back.

        Once ``hurry`` says so, it waits no longer for a database that is away than for the write
        under way: the lease runs out.
        """
        while not self.flush(at_once=True):
            if hurry():
                if self._write is not None:
                    self._write.wait(WAIT_SECONDS)
                return
            time.sleep(0.1)
        with suppress(StoreError):  # it runs out
            self._writer.release()

    def message(self) -> str | None:
        """What to say of a database that is away."""
        if self._away_since is None:
            return None
        waiting = self._writer.pending_bytes / 2**20
        rest = "workers go on" if self.has_room else "no more trials are handed out"
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
        """Whether the database has been away for too long."""
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


class PendingWrite:
    """One attempt to write what is staged, in a thread.

    A daemon: a database that hangs must not keep a coordinator from ending.
    """

    def __init__(self, writer: StudyWriter) -> None:
        self.error: BaseException | None = None
        self._writer = writer
        self._done = threading.Event()
        threading.Thread(target=self._run, name="write", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Whether it is done within the time."""
        return self._done.wait(seconds)

    def _run(self) -> None:
        try:
            self._writer.land()
        except BaseException as error:  # the loop's to raise
            self.error = error
        finally:
            self._done.set()


def _is_final(error: SweepError) -> bool:
    """Whether waiting would not help."""
    return isinstance(error, LeaseLostError | StoreGoneError)
