"""Lay out a study's state as a badge, and what to do if its coordinator is gone."""

from typing import Any

from dash import html

from sweep.dashboard.parts.findings import sentence
from sweep.findings.progress import study_status
from sweep.store.records import StudySummary


def state_badge(study: StudySummary) -> Any:
    """Lay out the state as a word; hovering over it shows the sentence."""
    status = study_status(study)
    kind = status.word.replace(" ", "-")
    title = status.detail.replace("`", "")
    return html.Span(status.word, className=f"state state-{kind}", title=title)


def how_to_go_on(study: StudySummary) -> Any:
    """Lay out how to resume a study without a coordinator; None for any other."""
    status = study_status(study)
    if not status.lacks_coordinator:
        return None
    return html.P(sentence(status.detail), className="go-on", role="note")
