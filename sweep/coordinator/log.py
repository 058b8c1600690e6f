"""What a coordinator tells the log: stdlib logging, with fields that a machine can search.

A record carries its fields as ``record.sweep``. Nobody listens unless an application says so:
`sweep start --log-format json` does.
"""

import logging
from typing import Any

LOG = logging.getLogger("sweep.coordinator")


def tell(
    event: str,
    message: str,
    *,
    study: str,
    trial: int | None = None,
    attempt: int | None = None,
    worker: str | None = None,
    level: int = logging.INFO,
    **more: Any,
) -> None:
    """Log an event: its kind in a word or two, and a sentence. None is left out."""
    if not LOG.isEnabledFor(level):  # there are hundreds a second
        return
    fields = {"study": study, "trial": trial, "attempt": attempt, "worker": worker, **more}
    known = {name: value for name, value in fields.items() if value is not None}
    LOG.log(level, "%s", message, extra={"sweep": {"event": event, **known}})
