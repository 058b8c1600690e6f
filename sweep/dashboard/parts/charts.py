"""Figures as pages show them: without a title, and with marks that lead to their trials."""

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from dash import ClientsideFunction, Dash, Input, Output, Patch, State, ctx
from pydantic import FiniteFloat

from sweep.analysis.study_reader import StudyReader
from sweep.dashboard.parts import cards
from sweep.figures import style
from sweep.figures.figure import Figure
from sweep.figures.registry import FIGURES, gather_figure, options_of


def figure_of(
    reader: StudyReader, name: str, between: tuple[float, float] | None = None, **options: Any
) -> tuple[go.Figure, str]:
    """Draw a figure for its card, at the range that it is zoomed to; and its note.

    Where the study has too little for it, the figure says what it needs.
    """
    figure = FIGURES[name]
    is_grouped = len(reader.table) > style.MAX_MARKS and "between" in options_of(figure)
    zoom = {} if between is None else {"between": between}
    found = gather_figure(reader, name, options | zoom)
    if found is None:
        return lacking(figure), figure.remedy(reader)
    drawn = ready(found.draw()).update_layout(meta={"title": found.title, "zoomable": is_grouped})
    return zoomed_to(drawn, between), found.note


def lacking(figure: Figure[Any]) -> go.Figure:
    """Say in place of a figure what it needs."""
    drawn = style.figure("", "", "", height=160)
    style.say(drawn, f"Nothing to show yet: it needs {figure.needs}.")
    return ready(drawn).update_layout(meta={"title": figure.question, "zoomable": False})


def ready(drawn: go.Figure, *, zoomable: bool = False) -> go.Figure:
    """The figure for its card; ``zoomable`` where zooming in shows trials that it groups."""
    return cards.bare(drawn).update_layout(meta={"zoomable": zoomable})


def zoomed_to(drawn: go.Figure, between: tuple[float, float] | None) -> go.Figure:
    """The figure at the range that it was gathered for; a double click shows all again."""
    if between is None:
        return drawn
    ends = np.log10(between) if drawn.layout.xaxis.type == "log" else np.array(between)
    return drawn.update_xaxes(range=ends.tolist(), autorange=None)


def renewed(drawn: go.Figure) -> go.Figure | Patch:
    """What a callback answers: after mere news only what changed, so that a zoom stays."""
    news = {told["prop_id"] for told in ctx.triggered} == {"revision.data"}
    return cards.fresh(drawn) if news else drawn


def sized(drawn: go.Figure) -> dict[str, str]:
    """The style of a graph as high as its figure; one that follows its card's width needs it."""
    return {"height": f"{drawn.layout.height}px"}


def opens_trials(app: Dash, *graph_ids: str) -> None:
    """A click on a mark leads to its trial."""
    for graph_id in graph_ids:
        app.clientside_callback(
            ClientsideFunction("charts", "open"),
            Output("location", "href", allow_duplicate=True),
            Input(graph_id, "clickData"),
            State("place", "data"),
            prevent_initial_call=True,
        )


def follows_zoom(app: Dash, graph_id: str) -> None:
    """Keeps the x range that a figure of groups was zoomed to in the Store ``{graph_id}-range``."""
    app.clientside_callback(
        ClientsideFunction("charts", "zoomed"),
        Output(f"{graph_id}-range", "data"),
        Input(graph_id, "relayoutData"),
        State(graph_id, "figure"),
        State(f"{graph_id}-range", "data"),
        prevent_initial_call=True,
    )


def comes_later(app: Dash, name: str) -> None:
    """Sets the Store ``{name}-due`` to a revision that a figure which takes long shall show.

    The Store ``{name}-pause`` holds how many milliseconds lie between two of them at least; None
    while the page has no such figure yet.
    """
    app.clientside_callback(
        ClientsideFunction("charts", "due"),
        Output(f"{name}-due", "data"),
        Input("pulse", "n_intervals"),
        State("revision", "data"),
        State(f"{name}-due", "data"),
        State(f"{name}-pause", "data"),
        prevent_initial_call=True,
    )


class Zoom(NamedTuple):
    """State that ``follows_zoom`` keeps."""

    #: The figure's uirevision.
    of: str
    span: tuple[FiniteFloat, FiniteFloat]


def between(zoom: Zoom | None, uirevision: str = "keep") -> tuple[float, float] | None:
    """The range that ``follows_zoom`` keeps, if it is of the figure with this uirevision."""
    return zoom.span if zoom and zoom.of == uirevision else None
