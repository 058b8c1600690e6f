"""The workers of a study: on which device, how fast, and what happened to them."""

import shlex
from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import Dash, Input, Output, State, html

from sweep.dashboard.links import Place, StudyPlace
from sweep.dashboard.parts import cards
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.findings import finding_table
from sweep.dashboard.view import View
from sweep.findings.activity import command_table, event_table, is_gone, worker_table
from sweep.store.records import EventRow, StudySummary
from sweep.store.table import TrialTable

MAX_EVENTS = 200
#: Trials per second are counted over this span.
_RATE_SECONDS = 60.0


def layout(view: View, place: Place) -> Any:
    """Lay out the page."""
    kind = place.query.get("kind")
    events = view.study(place.name).events(newest=MAX_EVENTS)
    return html.Div(
        [
            cards.card("Workers", html.Div(workers(view, place.name), id="workers-list")),
            html.Div(list_waiting(view, place.name), id="workers-waiting"),
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
    )
    def update(_: Any, place: StudyPlace) -> Any:
        return workers(view, place.name), list_waiting(view, place.name)

    @app.callback(
        Output("workers-events", "children"),
        Output("workers-kind", "data"),
        Input("revision", "data"),
        Input("workers-kind", "value"),
        State("place", "data"),
    )
    def update_events(_: Any, kind: str | None, place: StudyPlace) -> Any:
        events = view.study(place.name).events(newest=MAX_EVENTS)
        shown = event_list(place.name, events, kind)
        return shown, kinds(events, kind)

    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input("workers-kind", "value"),
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
    alive = [worker for worker in found if not is_gone(worker, running=study.running)]
    until = max((worker.seen_at.timestamp() for worker in alive), default=_last_end(table))
    shown = worker_table(found, running=study.running, paces=paces(table, until=until))
    return finding_table(name, shown, "workers")


def _why_none(study: StudySummary) -> str:
    if study.running:
        return "The coordinator is starting its workers."
    return f"No worker has trained this study yet. Start: sweep resume {shlex.quote(study.name)}"


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


# --- commands and events --------------------------------------------------------------------------


def list_waiting(view: View, name: str) -> Any:
    """List the commands that no coordinator has applied yet."""
    table = command_table(view.study(name).commands(pending_only=True))
    return cards.card(table.title, finding_table(name, table)) if table else None


def kinds(events: Sequence[EventRow], chosen: str | None) -> list[str]:
    """List the kinds to choose from: those that happened, and the chosen one."""
    return sorted({event.kind for event in events} | ({chosen} if chosen else set()))


def event_list(study: str, events: Sequence[EventRow], kind: str | None) -> Any:
    """List the events of a kind, or all, newest first."""
    shown = [event for event in reversed(events) if kind in (None, "", event.kind)]
    if not shown:
        return html.P("None of this kind." if kind else "Nothing out of the ordinary has happened.")
    note = f"The newest {MAX_EVENTS} events of the study." if len(events) == MAX_EVENTS else ""
    return finding_table(study, event_table(shown, note=note), "events")
