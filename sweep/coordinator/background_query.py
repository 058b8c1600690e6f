"""Questions to the database that hold nobody up.

A read from the loop itself would stand as long as the database does: a server that is stopped, a
host that went away, a file system that hangs. What a connection waits for has no end of its own.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

#: How long whoever asks waits for the answer.
WAIT_SECONDS = 2.0

Answer = TypeVar("Answer")


class BackgroundQuery(Generic[Answer]):
    """The same question again and again, asked in a thread, one at a time."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self._asked: _Asked[Answer] | None = None

    def put(self) -> Answer | None:
        """The answer, or None where it takes too long; raises what asking raises.

        One that comes later is for whoever puts it next, though it is about a moment that is past:
        of a database that always takes so long, nothing would be heard else. As long as it is
        awaited, nobody waits again.
        """
        asked, seconds = self._asked, 0.0
        if asked is None:
            asked, seconds = _Asked(self._ask), WAIT_SECONDS
        self._asked = asked
        if not asked.wait(seconds):
            return None
        self._asked = None
        if asked.error is not None:
            raise asked.error
        return asked.answer


class _Asked(Generic[Answer]):
    """Once. A daemon: a database that hangs must not keep a coordinator from ending."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self._done = threading.Event()
        threading.Thread(target=self._run, args=(ask,), name="question", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Whether it is answered within the time."""
        return self._done.wait(seconds)

    def _run(self, ask: Callable[[], Answer]) -> None:
        try:
            self.answer = ask()
        except BaseException as error:  # whoever asked is to raise it
            self.error = error
        finally:
            self._done.set()
