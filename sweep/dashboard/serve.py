"""Serving the dashboard until it is told to stop."""

import logging
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import waitress
from dash import Dash

from sweep.dashboard.access import Access
from sweep.errors import UsageError

#: A page opens with half a dozen requests at once.
_THREADS = 8


def serve(app: Dash, access: Access, ready: Callable[[str], None]) -> None:
    """Answer requests until SIGINT or SIGTERM; calls ``ready`` with the address when it listens.

    Raises UsageError when it cannot listen there.
    """
    listening = _listen(access)
    server = waitress.create_server(
        app.server,
        sockets=[listening],
        threads=_THREADS,
        ident=None,
        clear_untrusted_proxy_headers=True,
    )
    # It tells whenever a page asks for more at once than there are threads: the queue is for that.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)
    try:
        ready(replace(access, port=listening.getsockname()[1]).url)
        server.run()  # ends on KeyboardInterrupt and SystemExit
    finally:
        server.close()


def _listen(access: Access) -> socket.socket:
    """A socket of our own: waitress, refused one, would leave half a server behind."""
    try:
        family, *_, address = socket.getaddrinfo(
            access.host, access.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        # create_server puts the address behind the reason, as a tuple.
        reason = (error.strerror or str(error)).partition(" (while attempting")[0]
        raise UsageError(
            f"cannot listen on {access.host}, port {access.port}: {reason}. Another one: --port."
        ) from error


def _stop(*_: Any) -> None:
    raise SystemExit(0)
