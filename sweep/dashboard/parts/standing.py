"""Summarise a study: the verdict in words, and its numbers in a strip."""

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from sweep.analysis.verdict import Verdict
from sweep.dashboard import links
from sweep.dashboard.parts.cards import tiles_of
from sweep.dashboard.parts.findings import sentence
from sweep.dashboard.parts.study_state import state_badge
from sweep.findings.progress import progress_table, study_status
from sweep.findings.verdict import explanations, headline
from sweep.store.records import StudySummary, WorkerRow

COMPUTING = (
    "The floors of the data are being computed once; results that need them will appear here."
)


def in_words(
    study: StudySummary,
    found: Verdict | None,
    why: Sequence[str] = (),
    *,
    computing_floors: bool = False,
) -> list[Any]:
    """Lay out the headline, its explanation, why the error stops, and where to look next."""
    paragraphs = (" ".join(explanations(study, found)), " ".join(why))
    said: list[Any] = [html.H1(headline(study, found))]
    said += [html.P(sentence(of), className="explained") for of in paragraphs if of]
    if computing_floors:
        said.append(html.P(COMPUTING, className="note", role="status"))
    if found is not None:
        said.append(html.Div(_next_steps(study.name, found), className="line"))
    return said


def about(study: StudySummary, data: str) -> list[Any]:
    """Describe the study to people who did not set it up; ``data`` names what it is trained on."""
    marks = [state_badge(study), html.Span(data)]
    marks += [html.Span(tag, className="tag") for tag in study.tags]
    lines: list[Any] = [html.Div(marks, className="line about")]
    status = study_status(study)
    if status.lacks_coordinator:
        lines.append(html.P(sentence(status.detail), className="go-on", role="note"))
    if study.description:
        lines.append(html.P(study.description, className="description"))
    if study.note:
        lines.append(html.P([html.B("Note: "), study.note], className="description"))
    return lines


def _next_steps(study: str, found: Verdict) -> list[Any]:
    best, baseline = found.best.number, found.baseline
    steps = [
        _button("Why the error stops", links.url(links.WHY, study)),
        _button(f"Trial {best}", links.url(links.TRIAL, study, best)),
    ]
    if baseline is not None and baseline.number != best:
        pair = f"{best},{baseline.number}"
        href = links.url(links.COMPARE, study, trials=pair)
        steps.append(_button("Compare with the baseline", href))
    return steps


def _button(text: str, href: str) -> Any:
    return dcc.Link(text, href=href, className="button")


def tiles(study: StudySummary, workers: Sequence[WorkerRow]) -> list[Any]:
    """Lay out the strip's numbers."""
    return tiles_of(study.name, progress_table(study, workers))
