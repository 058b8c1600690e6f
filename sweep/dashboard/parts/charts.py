"""Draw figures for pages: without a title, and with marks that link to their trials."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
import plotly.graph_objects as go
from dash import ClientsideFunction, Dash, Input, Output, State, ctx
from pydantic import FiniteFloat

from sweep.dashboard.links import StudyPlace
from sweep.dashboard.parts import cards
from sweep.dashboard.parts.findings import sentence
from sweep.dashboard.view import PageReader, View
from sweep.figures import style
from sweep.figures.figure import Figure
from sweep.figures.registry import FIGURES, gather_figure, options_of


class PageFigure(NamedTuple):
    """A figure of the registry, drawn for its card."""

    drawn: go.Figure
    title: str
    note: str
    #: Its gathered data; None if the study has too little, which the figure then says.
    data: Any = None


def figure_of(
    reader: PageReader,
    name: str,
    between: tuple[float, float] | None = None,
    height: int | None = None,
    **options: Any,
) -> PageFigure:
    """Gather and draw a figure of the registry, for its zoomed range.

    The meta of the figure contains whether zooming in shows grouped trials, and the address of its
    data as CSV.
    """
    figure, options = FIGURES[name], options | ({} if between is None else {"between": between})
    found = gather_figure(reader, name, options)
    if found is None:
        drawn, title, note = _draw_lack(figure), _standing_title(name), figure.remedy(reader)
    else:
        drawn, title, note = found.draw(), found.title, found.note
        drawn.update_layout(height=height or drawn.layout.height)
    is_grouped = len(reader.table) > figure.most_marks and "between" in options_of(figure)
    meta = {"zoomable": is_grouped, "csv": csv_url(reader, name, options)}
    drawn.update_layout(meta=meta | (drawn.layout.meta or {}))
    return PageFigure(zoom_to(cards.loosen(drawn), between), title, note, found and found.data)


def _draw_lack(figure: Figure[Any]) -> go.Figure:
    """Draw an empty figure that says what it needs."""
    drawn = style.figure(height=160)
    return style.say(drawn, f"Nothing to show yet: it needs {figure.needs}.")


def _standing_title(name: str) -> str:
    """Return the title of a figure that is not gathered."""
    figure = FIGURES[name]
    return figure.title if isinstance(figure.title, str) else figure.question


def pending_card(graph_id: str, name: str, **options: Any) -> Any:
    """Lay out the card of a figure of the registry, for a callback to fill."""
    return cards.figure_card(graph_id, title=_standing_title(name), **options)


def card_of(graph_id: str, figure: PageFigure, *, hides: bool = False) -> Any:
    """Lay a figure out in its card; ``hides`` hides the card while there is nothing to show."""
    hidden = hides and figure.data is None
    return cards.figure_card(
        graph_id, figure.drawn, title=figure.title, note=figure.note, hidden=hidden
    )


def outputs(graph_id: str, *, hides: bool = False) -> list[Output]:
    """List what a callback fills in a figure's card, in the order of ``filled``."""
    parts = {graph_id: "figure", f"{graph_id}-title": "children", f"{graph_id}-note": "children"}
    return [
        Output(graph_id, "style"),
        *(Output(id, of) for id, of in parts.items()),
        *([Output(f"{graph_id}-card", "hidden")] if hides else []),
    ]


def fill(figure: PageFigure, *, hides: bool = False) -> list[Any]:
    """Return a callback's answer: after mere news only the changes, so that a zoom stays."""
    news = {told["prop_id"] for told in ctx.triggered} == {"revision.data"}
    return [
        # Charts as wide as their card are as high as its style says.
        {"height": f"{figure.drawn.layout.height}px"},
        cards.fresh(figure.drawn) if news else figure.drawn,
        figure.title,
        sentence(figure.note),
        *([figure.data is None] if hides else []),
    ]


def register_figure(app: Dash, view: View, graph_id: str, name: str, trigger: Input) -> None:
    """Fill the card of a figure without options after ``trigger``; it hides while it is empty."""

    @app.callback(
        *outputs(graph_id, hides=True),
        trigger,
        State("place", "data"),
        prevent_initial_call=False,
    )
    def update(_: Any, place: StudyPlace) -> Any:
        return fill(figure_of(PageReader(view, place.name), name), hides=True)


def csv_url(reader: PageReader, name: str, options: Mapping[str, Any]) -> str:
    """Return the address of a figure's data."""
    asked = {"study": reader.study.name, "where": str(reader.where)}
    asked |= {key: _as_text(value) for key, value in options.items() if value is not None}
    return f"/api/figure/{name}.csv?{urlencode({key: of for key, of in asked.items() if of})}"


def _as_text(value: Any) -> str:
    if not isinstance(value, tuple | list):
        return str(value)
    is_span = any(isinstance(of, float) for of in value)
    return (".." if is_span else ",").join(map(str, value))


def zoom_to(drawn: go.Figure, between: tuple[float, float] | None) -> go.Figure:
    """Zoom to the range that the figure was gathered for; a double click shows everything again."""
    if between is None:
        return drawn
    ends = np.log10(between) if drawn.layout.xaxis.type == "log" else np.array(between)
    return drawn.update_xaxes(range=ends.tolist(), autorange=None)


def opens_trials(app: Dash, *graph_ids: str) -> None:
    """Open a mark's trial when the mark is clicked."""
    for graph_id in graph_ids:
        app.clientside_callback(
            ClientsideFunction("charts", "open"),
            Output("location", "href", allow_duplicate=True),
            Input(graph_id, "clickData"),
            State("place", "data"),
        )


def follows_zoom(app: Dash, graph_id: str) -> None:
    """Keep the zoomed x range of a figure with groups in the Store ``{graph_id}-range``."""
    app.clientside_callback(
        ClientsideFunction("charts", "zoomed"),
        Output(f"{graph_id}-range", "data"),
        Input(graph_id, "relayoutData"),
        State(graph_id, "figure"),
        State(f"{graph_id}-range", "data"),
    )


def comes_later(app: Dash, name: str) -> None:
    """Set the Store ``{name}-due`` to a revision that a slow figure has to show.

    The Store ``{name}-pause`` holds the minimum milliseconds between two of them; None while the
    page has no such figure yet.
    """
    app.clientside_callback(
        ClientsideFunction("charts", "due"),
        Output(f"{name}-due", "data"),
        Input("pulse", "n_intervals"),
        State("revision", "data"),
        State(f"{name}-due", "data"),
        State(f"{name}-pause", "data"),
    )


class Zoom(NamedTuple):
    """State that ``follows_zoom`` keeps."""

    #: The figure's uirevision.
    of: str
    span: tuple[FiniteFloat, FiniteFloat]


def between(zoom: Zoom | None, uirevision: str = "keep") -> tuple[float, float] | None:
    """Return the range kept by ``follows_zoom``, if it belongs to this uirevision."""
    return zoom.span if zoom and zoom.of == uirevision else None
