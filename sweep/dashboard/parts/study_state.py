"""Lay out a study's state as a badge."""

from typing import Any

from dash import html

from sweep.findings.progress import study_status
from sweep.store.records import StudySummary


def state_badge(study: StudySummary) -> Any:
    """Lay out the state as a word; hovering over it shows the sentence."""
    status = study_status(study)
    kind = status.word.replace(" ", "-")
    title = status.detail.replace("`", "")
    return html.Span(status.word, className=f"state state-{kind}", title=title)
