"""Write messages as JSON lines for a log collector: ``--log-format json``."""

import json
import logging
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sweep.cli.words import clean, escape

if TYPE_CHECKING:
    from sweep.coordinator.progress import Progress

#: Interval between progress lines, unless there is a new best.
PROGRESS_SECONDS = 5.0

LOG = logging.getLogger("sweep.cli")
_ours: list[logging.Handler] = []


class LogFormat(StrEnum):
    """How messages on stderr are written."""

    TEXT = "text"
    JSON = "json"


class JsonFormatter(logging.Formatter):
    """A record as a JSON object: time (UTC), level, logger, message, and its own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line of JSON."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "sweep", {}),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        plain = {name: _plain(value) for name, value in fields.items()}
        return escape(json.dumps(plain, ensure_ascii=False, allow_nan=False, default=str))


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


class PlainFormatter(logging.Formatter):
    """Formats records as text that can neither rewrite a terminal nor forge another record.

    Requests, and errors about them, contain arbitrary text: control characters are replaced, and
    all lines except the first are indented.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a record without control characters, its further lines indented."""
        return "\n  ".join(clean(super().format(record)).splitlines())


@contextmanager
def plain() -> Iterator[None]:
    """Write log records to stderr with ``PlainFormatter`` during the block."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter())
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def use(log_format: LogFormat) -> None:
    """Write messages in this format until the end of the command."""
    if log_format is LogFormat.TEXT or _ours:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    _ours.append(handler)
    logging.getLogger().addHandler(handler)  # libraries' warnings are JSON lines too
    logging.getLogger("sweep").setLevel(logging.INFO)


def end() -> None:
    """Return to text messages."""
    while _ours:
        logging.getLogger().removeHandler(_ours.pop())
        logging.getLogger("sweep").setLevel(logging.NOTSET)


def are_json() -> bool:
    """Tell whether messages go to the log, as JSON."""
    return bool(_ours)


class LoggedProgress:
    """Observer that logs the study every few seconds, and at each relevant change."""

    def __init__(self) -> None:
        self._next = 0.0
        self._told: tuple[Any, ...] = ()

    def __call__(self, state: "Progress") -> None:
        """Log the progress after news, or else every ``PROGRESS_SECONDS``."""
        now, telling = time.monotonic(), (state.phase, state.best_value, state.message)
        if telling == self._told and now < self._next:
            return
        self._told, self._next = telling, now + PROGRESS_SECONDS
        names = ("phase", "n_trials", "n_finished", "n_running", "n_failed", "n_diverged")
        more = ("best_value", "best_number", "trials_per_second", "seconds_left")
        numbers = {name: getattr(state, name) for name in (*names, *more)}
        known = {name: value for name, value in numbers.items() if value is not None}
        message = state.message or f"{state.n_finished:,} of {state.n_trials:,} trials finished"
        fields = {"event": "progress", "study": state.name, **known}
        LOG.info("%s", message, extra={"sweep": fields})
