"""Show points in time as how long ago; assets/moments.js keeps them up to date."""

from datetime import UTC, datetime
from typing import Any

from dash import html

from sweep.catalogue.formats import moment
from sweep.dashboard.parts.attributes import attributes


def ago(seconds: float) -> str:
    """Format a span of time as past: ``now``, ``12 s ago``, ``5 min ago``, ``2 d ago``."""
    if seconds < 1:
        return "now"
    for unit, length, longest in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 86400)):
        if seconds < longest:
            return f"{int(seconds / length)} {unit} ago"
    return f"{int(seconds / 86400)} d ago"


def since(at: datetime | None, *, late_after: int | None = None) -> Any:
    """Show how long ago a moment is; after ``late_after`` seconds it is marked as too long."""
    if at is None:
        return "–"
    seconds = max(0.0, (datetime.now(UTC) - at).total_seconds())
    late = {} if late_after is None else {"data_late_after": str(late_after)}
    return html.Time(
        ago(seconds),
        dateTime=at.isoformat(),
        title=exact(at),
        className="late" if late_after is not None and seconds > late_after else "",
        **attributes(data_ago=f"{seconds:.1f}", **late),
    )


def exact(at: datetime | None) -> str:
    """Format the moment itself."""
    return "–" if at is None else moment(at)
