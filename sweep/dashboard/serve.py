"""Serve the dashboard until it is told to stop."""

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dash import Dash
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from sweep.dashboard import limits
from sweep.dashboard.access import Access
from sweep.errors import UsageError

#: A page opens with half a dozen requests at once.
_THREADS = 8
#: Interval between two checks for connections that take too long.
_CLEANUP_SECONDS = 1


def serve(app: Dash, access: Access, ready: Callable[[str], None]) -> None:
    """Answer requests until SIGINT or SIGTERM; calls ``ready`` with the address when it listens.

    Raises UsageError if it cannot listen there.
    """
    listening = _listen(access)
    server = make_server(app, listening)
    # Any client could fill the log: it warns about odd headers, and about more requests than
    # threads.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)
    try:
        ready(replace(access, port=listening.getsockname()[1]).url)
        server.run()  # ends on KeyboardInterrupt and SystemExit
    finally:
        server.close()


def make_server(app: Dash, listening: socket.socket) -> "Server":
    """Create a server on a socket, within ``limits``."""
    settings = Adjustments(
        sockets=[listening],
        threads=_THREADS,
        ident=None,
        max_request_body_size=limits.BODY_BYTES,
        # A body stays in memory: strangers must not be able to fill the disk.
        inbuf_overflow=2 * limits.BODY_BYTES,
        max_request_header_size=limits.HEADER_BYTES,
        connection_limit=limits.CONNECTIONS,
        channel_timeout=limits.IDLE_SECONDS,
        cleanup_interval=_CLEANUP_SECONDS,
        # A client that claims "https" only gets its own cookie marked Secure.
        trusted_proxy="*",
        trusted_proxy_headers={"x-forwarded-proto"},
        clear_untrusted_proxy_headers=True,
    )
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(_THREADS)
    return Server(
        app.server,
        map={},
        _sock=listening,
        dispatcher=dispatcher,
        adj=settings,
        bind_socket=False,
        sockinfo=(listening.family, listening.type, listening.proto, listening.getsockname()),
    )


class _Request(HTTPRequestParser):  # type: ignore[misc]
    """A request and the time at which it began to arrive."""

    def __init__(self, settings: Adjustments) -> None:
        super().__init__(settings)
        self.begun_at = time.time()


class _Connection(HTTPChannel):  # type: ignore[misc]
    """A connection and the time for which the server has waited for it."""

    parser_class = _Request

    @property
    def is_waited_for(self) -> bool:
        """Whether the server waits for the client."""
        return not self.requests and not self.total_outbufs_len

    @property
    def waiting_since(self) -> float:
        """When the server began to wait for the rest of a request, or for the next one."""
        return float(self.last_activity if self.request is None else self.request.begun_at)

    @property
    def is_late(self) -> bool:
        """Whether a request, or the first byte, takes longer than ``limits.REQUEST_SECONDS``."""
        never_sent = self.last_activity == self.creation_time
        is_due = self.request is not None or never_sent
        return is_due and time.time() - self.waiting_since > limits.REQUEST_SECONDS


class Server(TcpWSGIServer):  # type: ignore[misc]
    """A waitress server that connections without a finished request cannot block.

    waitress itself counts any byte as activity, and accepts no connection beyond its limit.
    """

    channel_class = _Connection

    def maintenance(self, now: float) -> None:
        """Close connections that are idle or late."""
        super().maintenance(now)
        for connection in self._list_slow():
            if connection.is_late:
                connection.will_close = True

    def readable(self) -> bool:
        """Return whether to accept another connection; at the limit close some of the oldest."""
        if len(self._map) >= self.adj.connection_limit:
            oldest = sorted(self._list_slow(), key=lambda of: of.waiting_since)
            for connection in oldest[: limits.CONNECTIONS // 10]:
                connection.will_close = True
        return bool(super().readable())

    def _list_slow(self) -> list[_Connection]:
        return [of for of in self.active_channels.values() if of.is_waited_for]


def _listen(access: Access) -> socket.socket:
    """Open the socket here: if waitress failed to, it would leave half a server behind."""
    try:
        family, *_, address = socket.getaddrinfo(
            access.host, access.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        # create_server appends the address to the reason, as a tuple.
        reason = (error.strerror or str(error)).partition(" (while attempting")[0]
        raise UsageError(
            f"cannot listen on {access.host}, port {access.port}: {reason}. Try another --port."
        ) from error


def _stop(*_: Any) -> None:
    raise SystemExit(0)
