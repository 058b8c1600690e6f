"""The workers of a study: on which device, how fast, and what happened to them."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import Dash, Input, Output, State, dcc, html

from sweep.catalogue import formats
from sweep.dashboard import links
from sweep.dashboard.links import Place, StudyPlace
from sweep.dashboard.parts import cards
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.moments import since
from sweep.dashboard.parts.waiting import waiting_commands
from sweep.dashboard.view import View
from sweep.enums import WorkerState
from sweep.store.records import EventRow, StudySummary, WorkerRow
from sweep.store.table import TrialTable

#: A worker of a running study without a heartbeat for this long is marked.
SILENT_SECONDS = 30
MAX_EVENTS = 200
#: Trials per second are counted over this span.
_RATE_SECONDS = 60.0
_GIB = 2**30


def layout(view: View, place: Place) -> Any:
    """Lay out the page."""
    kind = place.query.get("kind")
    events = view.study(place.name).events(newest=MAX_EVENTS)
    return html.Div(
        [
            cards.card("Workers", html.Div(workers(view, place.name), id="workers-list")),
            html.Div(waiting(view, place.name), id="workers-waiting"),
            cards.card(
                "Events and failures",
                html.Div(event_list(place.name, events, kind), id="workers-events"),
                controls=dmc.Select(
                    id="workers-kind",
                    data=kinds(events, kind),
                    value=kind,
                    placeholder="every kind",
                    clearable=True,
                    size="xs",
                    **attributes(aria_label="Kind of event"),
                ),
            ),
        ],
        className="page",
    )


def register(app: Dash, view: View) -> None:
    """Register its callbacks."""

    @app.callback(
        Output("workers-list", "children"),
        Output("workers-waiting", "children"),
        Input("revision", "data"),
        State("place", "data"),
        prevent_initial_call=True,
    )
    def update(_: Any, place: StudyPlace) -> Any:
        return workers(view, place.name), waiting(view, place.name)

    @app.callback(
        Output("workers-events", "children"),
        Output("workers-kind", "data"),
        Input("revision", "data"),
        Input("workers-kind", "value"),
        State("place", "data"),
        prevent_initial_call=True,
    )
    def update_events(_: Any, kind: str | None, place: StudyPlace) -> Any:
        events = view.study(place.name).events(newest=MAX_EVENTS)
        shown = event_list(place.name, events, kind)
        return shown, kinds(events, kind)

    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input("workers-kind", "value"),
        prevent_initial_call=True,
    )
    def keep(kind: str | None) -> dict[str, str]:
        return {"kind": kind or ""}


# --- workers --------------------------------------------------------------------------------------


def workers(view: View, name: str) -> Any:
    """Lay out a row for each worker: active ones first, then the latest."""
    found = view.study(name).workers()
    study = view.study(name).summary()
    if not found:
        return cards.empty("No worker yet", _why_none(study))
    table = view.table(name)
    # By the database's clock, as are the ends of trials.
    seen = [worker.seen_at.timestamp() for worker in found if not is_gone(worker, study)]
    rates = paces(table, until=max(seen, default=_last_end(table)))
    # A resumed study names its workers from w0 again: a name refers to its newest worker.
    newest = {worker.name: worker for worker in found}
    found.reverse()
    found.sort(key=lambda worker: is_gone(worker, study))
    rows = [
        _row(worker, study, rates.get(worker.name, 0.0) if newest[worker.name] is worker else 0.0)
        for worker in found
    ]
    heads = [html.Th(label, scope="col", className=kind) for label, kind in _COLUMNS.items()]
    table_of = html.Table([html.Thead(html.Tr(heads)), html.Tbody(rows)], className="plain workers")
    return html.Div(table_of, className="scroll")


#: Column heads, and what their cells are.
_COLUMNS: Mapping[str, str] = {
    "Worker": "",
    "State": "",
    "Device": "",
    "Busy": "",
    "GPU-Util": "",
    "Memory": "",
    "In training": "number",
    "Trials/s": "number",
    "Finished": "number",
    "Last heartbeat": "",
}


def _why_none(study: StudySummary) -> str:
    if study.running:
        return "The coordinator is starting its workers."
    return f"No worker has trained this study yet. Start: sweep resume {shlex.quote(study.name)}"


def is_gone(worker: WorkerRow, study: StudySummary) -> bool:
    """Return whether it ended, or its coordinator did."""
    return worker.state == WorkerState.GONE or not study.running


def paces(table: TrialTable, until: float) -> dict[str, float]:
    """Return each worker's trials per second in the minute before a moment, by its name."""
    with np.errstate(invalid="ignore"):
        ended = (table.ended > until - _RATE_SECONDS) & (table.ended <= until)
    begun = table.started[np.isfinite(table.started)]
    span = min(_RATE_SECONDS, until - float(begun.min())) if begun.size else 0.0
    if span <= 0:
        return {}
    return {
        name: int(np.count_nonzero(ended & table.workers.is_(name))) / span
        for name in table.workers.names
    }


def _last_end(table: TrialTable) -> float:
    known = table.ended[np.isfinite(table.ended)]
    return float(known.max()) if known.size else 0.0


def _row(worker: WorkerRow, study: StudySummary, pace: float) -> Any:
    gone = is_gone(worker, study)
    late = None if gone else SILENT_SECONDS
    cells = (
        [
            html.Div(worker.name, className="worker-name"),
            _about(f"{worker.host}, pid {worker.pid}"),
        ],
        html.Span(WorkerState.GONE if gone else worker.state, className="state"),
        [html.Div(_device(worker)), _about(_made(worker)), *_trainer(worker)],
        "–" if gone or worker.busy is None else _share(worker.busy, formats.percent(worker.busy)),
        "–" if gone else _utilisation(worker),
        "–" if gone else _memory(worker),
        "–" if gone else f"{worker.n_training:,}",
        formats.number(pace, 2) if pace else "0" if not gone else "–",
        f"{worker.n_finished:,}",
        since(worker.seen_at, late_after=late),
    )
    return html.Tr(
        [
            html.Td(cell, className=kind, **attributes(data_label=label))
            for cell, (label, kind) in zip(cells, _COLUMNS.items(), strict=True)
        ],
        className="gone" if gone else "",
    )


def _about(text: str) -> Any:
    return html.Div(text, className="about")


def _device(worker: WorkerRow) -> str:
    return "CPU" if worker.device == "cpu" else f"GPU {worker.device.removeprefix('cuda:')}"


def _trainer(worker: WorkerRow) -> list[Any]:
    """Name the worker's trainer, with the reason if the fused trainer was preferred."""
    if worker.trainer is None:
        return []
    named = f"{worker.trainer} trainer"
    if worker.fallback_reason is None:
        return [_about(named)]
    first, *differences = worker.fallback_reason.splitlines()
    badge = html.Span(f"{named}, not fused", className="state state-fallback")
    return [
        html.Details(
            [html.Summary(badge), html.P(first), *(html.Div(line) for line in differences)],
            className="about fallback",
        )
    ]


def _made(worker: WorkerRow) -> str:
    driver = worker.driver_version and f"driver {worker.driver_version}"
    return ", ".join(filter(None, (worker.device_name, driver)))


def _utilisation(worker: WorkerRow) -> Any:
    """Show the GPU's utilisation by all processes: recent, and the mean since the first epoch."""
    if worker.utilisation is None:
        return "–"
    bar = _share(worker.utilisation, formats.percent(worker.utilisation))
    mean = worker.utilisation_since_first
    return bar if mean is None else [*bar, _about(f"mean {formats.percent(mean)}")]


def _memory(worker: WorkerRow) -> Any:
    used, total = worker.memory_used_bytes, worker.memory_total_bytes
    if used is None or not total:
        return "–"
    return _share(used / total, f"{_gib(used)} of {_gib(total)} GiB")


def _gib(n_bytes: int) -> str:
    return formats.number(n_bytes / _GIB, 2)


def _share(share: float, said: str) -> list[Any]:
    """Show a share as text above a bar of that length."""
    width = f"{100 * min(max(share, 0.0), 1.0):.0f}%"
    bar = html.Div(
        html.Div(style={"width": width}), className="bar", **attributes(aria_hidden="true")
    )
    return [html.Div(said), bar]


# --- commands and events --------------------------------------------------------------------------


def waiting(view: View, name: str) -> Any:
    """List the commands that no coordinator has applied yet."""
    shown = waiting_commands(view.study(name).commands(pending_only=True))
    return None if shown is None else cards.card("Waiting commands", shown)


def kinds(events: Sequence[EventRow], chosen: str | None) -> list[str]:
    """List the kinds to choose from: those that happened, and the chosen one."""
    return sorted({event.kind for event in events} | ({chosen} if chosen else set()))


def event_list(study: str, events: Sequence[EventRow], kind: str | None) -> Any:
    """List the events of a kind, or all, newest first."""
    shown = [event for event in reversed(events) if kind in (None, "", event.kind)]
    if not shown:
        return html.P("None of this kind." if kind else "Nothing out of the ordinary has happened.")
    heads = [html.Th(label, scope="col") for label in ("When", "What", "Trial", "Worker", "Told")]
    rows = [_event(study, event) for event in shown]
    table = html.Table([html.Thead(html.Tr(heads)), html.Tbody(rows)], className="plain events")
    note = f"The newest {MAX_EVENTS} events of the study." if len(events) == MAX_EVENTS else ""
    return [html.Div(table, className="scroll"), html.P(note, className="note")]


def _event(study: str, event: EventRow) -> Any:
    cells = (
        since(event.at),
        event.kind,
        "" if event.number is None else _trial(study, event.number),
        event.worker or "",
        event.message,
    )
    return html.Tr([html.Td(cell) for cell in cells])


def _trial(study: str, number: int) -> Any:
    return dcc.Link(f"{number}", href=links.url(links.TRIAL, study, number))
