"""Record events of a study: rows that users see, and log records for machines.

A log record carries its fields as ``record.sweep``. The standard library discards records unless an
application configures logging; `sweep start --log-format json` does.
"""

import logging
from typing import Any

from sweep.enums import EventKind
from sweep.store.writer import StudyWriter

LOG = logging.getLogger("sweep.coordinator")


class EventLog:
    """Stores and logs the events of one study."""

    def __init__(self, study: str, writer: StudyWriter) -> None:
        self._study = study
        self._writer = writer

    def add(
        self,
        kind: EventKind,
        message: str,
        *,
        number: int | None = None,
        attempt: int | None = None,
        worker: str | None = None,
    ) -> None:
        """Store an event that users may want to see later, and log it."""
        self.log(kind, message, trial=number, attempt=attempt, worker=worker)
        row = {"kind": kind, "message": message, "number": number, "worker": worker}
        self._writer.rows.events.append(row)

    def log(self, kind: EventKind, message: str, **fields: Any) -> None:
        """Log an event without storing it; fields that are None are left out."""
        if not LOG.isEnabledFor(logging.INFO):  # there are hundreds of events a second
            return
        found = {name: value for name, value in fields.items() if value is not None}
        extra = {"event": kind, "study": self._study, **found}
        LOG.info("%s", message, extra={"sweep": extra})
