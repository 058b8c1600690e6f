"""Query the database in threads, so that a database that hangs does not block the loop.

A stopped server, an unreachable host, a file system that hangs: a connection waits for any of these
without a time limit.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

#: How long the loop waits for an answer.
WAIT_SECONDS = 2.0

Result = TypeVar("Result")


class BackgroundCall(Generic[Result]):
    """One call in a daemon thread, which cannot keep a coordinator from ending."""

    def __init__(self, call: Callable[[], Result], *, name: str) -> None:
        self.result: Result | None = None
        self.error: BaseException | None = None
        self._done = threading.Event()
        threading.Thread(target=self._run, args=(call,), name=name, daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it has ended within the time."""
        return self._done.wait(seconds)

    def _run(self, call: Callable[[], Result]) -> None:
        try:
            self.result = call()
        except BaseException as error:  # the loop raises it
            self.error = error
        finally:
            self._done.set()


class BackgroundQuery(Generic[Result]):
    """A query that is repeated, one at a time."""

    def __init__(self, query: Callable[[], Result]) -> None:
        self._query = query
        self._running: BackgroundCall[Result] | None = None

    def poll(self) -> Result | None:
        """Return the answer, or None if it takes longer than WAIT_SECONDS; raise the query's error.

        A later call returns the late answer, though it describes an earlier moment: a database that
        is always this slow would otherwise never be read. Only the first call waits for it.
        """
        running, seconds = self._running, 0.0
        if running is None:
            running, seconds = BackgroundCall(self._query, name="query"), WAIT_SECONDS
        self._running = running
        if not running.wait(seconds):
            return None
        self._running = None
        if running.error is not None:
            raise running.error
        return running.result
