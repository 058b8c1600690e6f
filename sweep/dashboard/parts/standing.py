"""Summarise a study: the verdict in words, and its numbers in a strip."""

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from sweep.analysis.verdict import Verdict
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.dashboard import links
from sweep.dashboard.parts.cards import tile
from sweep.dashboard.parts.findings import sentence
from sweep.dashboard.parts.study_state import how_to_go_on, state_badge
from sweep.enums import StudyPhase, WorkerState
from sweep.findings.progress import seconds_left
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
    if go_on := how_to_go_on(study):
        lines.append(go_on)
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
    counts, n_finished = study.counts, study.n_finished
    pruned = formats.percent(counts["PRUNED"] / n_finished) if n_finished else ""
    return [
        tile("Done", f"{n_finished:,}", _of(study.n_trials)),
        tile("Running", f"{counts['RUNNING']:,}", f"{counts['WAITING']:,} waiting"),
        tile("Pruned", f"{counts['PRUNED']:,}", pruned and f"{pruned} of the done"),
        tile("Failed", f"{study.n_failed:,}", f"{study.n_diverged:,} diverged"),
        _best_tile(study),
        tile("Trials/s", formats.number(study.trials_per_second, 2), _when(study)),
        _busy_tile(study, workers),
        tile("Time left", formats.duration(seconds_left(study)), _until(study)),
    ]


def _of(n_trials: int | None) -> str:
    return "trials" if n_trials is None else f"of {formats.count(n_trials, 'trial')}"


def _best_tile(study: StudySummary) -> Any:
    if study.best_number is None:
        return tile("Best", "–", "no trial yet")
    href = links.url(links.TRIAL, study.name, study.best_number)
    value = dcc.Link(formats.number(study.best_value), href=href)
    measured = column_named(study.objectives[0]).title
    return tile("Best", value, f"{measured}, trial {study.best_number}")


def _when(study: StudySummary) -> str:
    if study.trials_per_second is None:
        return ""
    return "in the last minute" if study.running else "in its last minute"


def _busy_tile(study: StudySummary, workers: Sequence[WorkerRow]) -> Any:
    alive = [worker for worker in workers if study.running and worker.state != WorkerState.GONE]
    known = [worker.busy for worker in alive if worker.busy is not None]
    share = formats.percent(sum(known) / len(known)) if known else "–"
    detail: Any = f"of {formats.count(len(alive), 'worker')}" if alive else "no worker now"
    if any(worker.fallback_reason for worker in alive):
        detail = dcc.Link("without the fused trainer", href=links.url(links.WORKERS, study.name))
    on_gpus = bool(workers) and all(worker.device != "cpu" for worker in workers)
    return tile("GPU busy" if on_gpus else "Busy", share, detail)


def _until(study: StudySummary) -> str:
    if not study.running:
        return "not running"
    if study.phase is StudyPhase.PAUSED:
        return "paused"
    return "at this pace" if seconds_left(study) is not None else "not known"
