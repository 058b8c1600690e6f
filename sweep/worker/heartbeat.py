"""Send heartbeats from a separate thread.

However long an epoch or a compilation takes, a worker is silent only if its process hangs.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sweep.messages import Event, Heartbeat

HEARTBEAT_SECONDS = 2.0


@contextmanager
def send_heartbeats(send: Callable[[Event], None]) -> Iterator[None]:
    """Send a heartbeat every HEARTBEAT_SECONDS while the block runs."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            send(Heartbeat())

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()  # it must not hold the pipe when the interpreter closes it
