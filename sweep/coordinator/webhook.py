"""Report a study's end, its failure limit and each new best to a webhook.

Deliveries are signed as https://www.standardwebhooks.com specifies: HMAC-SHA256 over id, timestamp
and body. A thread sends them, so the coordinator's loop never waits; one that cannot be delivered
is dropped with a message.
"""

import base64
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from sweep.coordinator.progress import Progress
from sweep.enums import StudyPhase
from sweep.errors import FailureLimitError, SweepError, UsageError

#: Time limit of one attempt, from its start to the last header of the answer.
ATTEMPT_SECONDS = 5.0
#: Waits before the second, third and fourth attempt; there is no fifth.
RETRY_SECONDS = (1.0, 4.0, 16.0)
#: Time between reports of a new best, which is frequent at the start; the latest is reported.
BEST_SECONDS = 5.0
#: How long the end of a study waits for its last deliveries.
END_SECONDS = 10.0
#: Statuses below 500 that justify another attempt: timeouts and rate limits.
_TEMPORARY = frozenset({408, 425, 429})


class DeliveryType(StrEnum):
    """What a delivery reports."""

    NEW_BEST = "study.new_best"
    FINISHED = "study.finished"
    FAILURE_LIMIT = "study.failure_limit"
    FAILED = "study.failed"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Webhook destination. Raises UsageError unless the URL is HTTP(S)."""

    #: May contain a token: never shown.
    url: str = field(repr=False)
    #: Signs deliveries; ``whsec_`` and base64, or any text. None leaves them unsigned.
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not _can_be_posted_to(self.url):
            raise UsageError(
                "the webhook's URL cannot be used. Give one like https://host/path, in --webhook "
                "or SWEEP_WEBHOOK: without user and password, non-ASCII letters written "
                "as %C3%A4."
            )
        self.key()

    @property
    def host(self) -> str:
        """The host, the only part of the URL that may be shown."""
        return urlsplit(self.url).hostname or ""

    def key(self) -> bytes | None:
        """Return the key that signs deliveries."""
        if self.secret is None:
            return None
        encoded = self.secret.removeprefix("whsec_")
        if encoded == self.secret:
            return self.secret.encode()
        try:
            return base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise UsageError(
                "SWEEP_WEBHOOK_SECRET begins with whsec_, but what follows is not base64."
            ) from error


def _can_be_posted_to(url: str) -> bool:
    """Return whether urllib accepts the URL; its own errors would show parts of it."""
    try:
        parts = urlsplit(url)
        of_http = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return of_http and is_plain and "@" not in parts.netloc


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Compute the header ``webhook-signature``."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Webhook:
    """Observes a study and posts to the endpoint; ``say`` reports failed deliveries."""

    def __init__(self, endpoint: Endpoint, study: str, say: Callable[[str], None]) -> None:
        self._endpoint = endpoint
        self._study = study
        self._say = say
        self._changed = threading.Condition()
        self._best: dict[str, Any] | None = None  # the latest not sent yet
        self._end: tuple[DeliveryType, dict[str, Any]] | None = None
        self._last: Progress | None = None
        self._next_best = 0.0
        self._is_over = False
        self._thread = threading.Thread(target=self._send_all, name="webhook", daemon=True)
        self._thread.start()

    def observe(self, state: Progress) -> None:
        """Record a new best, without waiting for the network: an Observer."""
        last, self._last = self._last, state
        if last is None or state.best_value is None:
            return  # the best of a resumed study is not new
        if last.best_value is None or state.best_value < last.best_value:
            with self._changed:
                self._best = _facts(state)
                self._changed.notify()

    def close(self, kind: DeliveryType, phase: StudyPhase, message: str) -> None:
        """Report how the study ended, after anything still unsent; wait at most END_SECONDS."""
        facts = _facts(self._last) if self._last is not None else {"study": self._study}
        with self._changed:
            self._end = (kind, {**facts, "phase": phase, "message": message})
            self._changed.notify()
        self._thread.join(END_SECONDS)
        if self._thread.is_alive():
            self._is_over = True
            self._say(f"webhook: {self._endpoint.host} did not answer in time for {kind}.")

    # --- in the thread ----------------------------------------------------------------------

    def _send_all(self) -> None:
        while not self._is_over:
            kind, facts = self._next()
            self._deliver(kind, facts)
            if kind is not DeliveryType.NEW_BEST:
                return

    def _next(self) -> tuple[DeliveryType, dict[str, Any]]:
        with self._changed:
            while True:
                wait = self._next_best - time.monotonic() if self._best is not None else None
                if self._best is not None and ((wait or 0.0) <= 0.0 or self._end is not None):
                    best, self._best = self._best, None
                    self._next_best = time.monotonic() + BEST_SECONDS
                    return DeliveryType.NEW_BEST, best
                if self._end is not None:
                    return self._end
                self._changed.wait(wait)

    def _deliver(self, kind: DeliveryType, facts: dict[str, Any]) -> None:
        payload = {"type": kind, "timestamp": datetime.now(UTC).isoformat(), "data": facts}
        body = json.dumps(payload, ensure_ascii=False).encode()
        message_id = f"msg_{secrets.token_hex(12)}"
        problem: str | None = None
        for pause in (*RETRY_SECONDS, None):
            problem, is_final = _post(self._endpoint, message_id, body)
            if problem is None or is_final or pause is None or self._is_over:
                break
            time.sleep(pause)
        if problem is not None:
            self._say(f"webhook: {self._endpoint.host}: {problem}. {kind} was not delivered.")


def _facts(state: Progress) -> dict[str, Any]:
    return {
        "study": state.name,
        "phase": state.phase,
        "n_trials": state.n_trials,
        "n_finished": state.n_finished,
        "n_failed": state.n_failed,
        "n_diverged": state.n_diverged,
        "best_value": state.best_value,
        "best_number": state.best_number,
    }


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Treats a redirect, which would turn the POST into a GET or lead elsewhere, as an error."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Attempt:
    """Time limit of an attempt: closes its connections, whatever the endpoint sends.

    A socket's own timeout restarts with each byte: an endless ``100 Continue`` would never time
    out.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._connections: list[HTTPConnection] = []
        self._done = threading.Event()

    def __enter__(self) -> "_Attempt":
        threading.Thread(target=self._watch, name="webhook deadline", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def open(self, request: urllib.request.Request) -> Any:
        """Open a URL like ``urllib.request.urlopen``, within ATTEMPT_SECONDS in total."""
        handlers = (_NoRedirects(), _Http(self.connect), _Https(self.connect))
        return urllib.request.build_opener(*handlers).open(request, timeout=ATTEMPT_SECONDS)

    def connect(self, kind: type[HTTPConnection], host: str, **options: Any) -> HTTPConnection:
        """Open a connection with a deadline."""
        self._connections.append(kind(host, **options))
        return self._connections[-1]

    def _watch(self) -> None:
        if self._done.wait(ATTEMPT_SECONDS):
            return
        self.is_over = True
        while not self._done.wait(0.05):  # one may be opening
            for connection in self._connections:
                with suppress(OSError, AttributeError):  # not open yet, or already closed
                    connection.sock.shutdown(socket.SHUT_RDWR)


Connect = Callable[..., HTTPConnection]


class _Http(urllib.request.HTTPHandler):
    def __init__(self, connect: Connect) -> None:
        super().__init__()
        self._connect = partial(connect, HTTPConnection)

    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(self._connect, request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, connect: Connect) -> None:
        super().__init__()
        self._connect = partial(connect, HTTPSConnection)

    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(self._connect, request)


def _late() -> str:
    return f"no answer within {ATTEMPT_SECONDS:g} s"


def _post(endpoint: Endpoint, message_id: str, body: bytes) -> tuple[str | None, bool]:
    """Make one attempt; return what went wrong, if anything, and whether that is final."""
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "sweep",
        "webhook-id": message_id,  # the same in every attempt: receivers can drop duplicates
        "webhook-timestamp": str(timestamp),
    }
    if (key := endpoint.key()) is not None:
        headers["webhook-signature"] = signature(key, message_id, timestamp, body)
    # An Endpoint's URL is HTTP(S).
    request = urllib.request.Request(endpoint.url, body, headers, method="POST")  # noqa: S310
    with _Attempt() as attempt:
        try:
            with attempt.open(request):
                return (_late(), False) if attempt.is_over else (None, True)
        except urllib.error.HTTPError as error:
            with error:
                return f"answered {error.code}", error.code < 500 and error.code not in _TEMPORARY
        except (OSError, HTTPException, ValueError) as error:
            if attempt.is_over:
                return _late(), False
            if isinstance(error, OSError):  # URLError is one
                return str(getattr(error, "reason", None) or error or type(error).__name__), False
            return type(error).__name__, False  # the texts of some of these repeat their arguments


class WebhookObserver:
    """Observer of a run; its caller sets ``phase`` to the last phase."""

    def __init__(self, webhook: Webhook | None) -> None:
        self._webhook = webhook
        self.phase = StudyPhase.FAILED

    def __call__(self, state: Progress) -> None:
        """Notify the endpoint of the study's state."""
        if self._webhook is not None:
            self._webhook.observe(state)


@contextmanager
def observe_with_webhook(
    endpoint: Endpoint | None, study: str, say: Callable[[str], None]
) -> Iterator[WebhookObserver]:
    """Provide an observer to a block that runs a study; report its end or its error.

    The block sets the observer's ``phase``.
    """
    webhook = Webhook(endpoint, study, say) if endpoint is not None else None
    observe = WebhookObserver(webhook)
    end = (DeliveryType.FAILED, StudyPhase.FAILED, "an unexpected error")
    try:
        yield observe
        end = (DeliveryType.FINISHED, observe.phase, f"the study ended: {observe.phase}")
    except FailureLimitError as error:
        end = (DeliveryType.FAILURE_LIMIT, StudyPhase.FAILED, str(error))
        raise
    except SweepError as error:
        end = (DeliveryType.FAILED, StudyPhase.FAILED, str(error))
        raise
    finally:
        if webhook is not None:
            webhook.close(*end)
