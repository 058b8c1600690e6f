"""Explore many trials: a brush on one chart filters the other charts and the grid.

The brushes make up one filter, which is kept in the address. Parallel axes show it as ranges; of
the charts below them one is drawn at a time. The chart that was brushed last keeps the trials
around its box, so that the box can be moved; all others show only trials that pass.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html

from sweep.analysis.filters import Filter
from sweep.catalogue.columns import column_options
from sweep.dashboard import links
from sweep.dashboard.links import Place, StudyPlace
from sweep.dashboard.parts import brushing, cards, charts, views
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.brushing import Side
from sweep.dashboard.parts.charts import PageFigure, Zoom
from sweep.dashboard.parts.trial_filter import chips
from sweep.dashboard.parts.views import Box, Ranges, ViewName
from sweep.dashboard.view import PageReader, View
from sweep.figures import style
from sweep.figures.parallel import MAX_LINES, gather_brushed
from sweep.figures.registry import gather_figure
from sweep.store.table import TrialTable

_FIRST = "slice"
_PARALLEL = "parallel"
#: With a box tool, always visible.
_CONFIG: Mapping[str, Any] = {
    **style.CONFIG,
    "displayModeBar": True,
    "modeBarButtonsToRemove": ["lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
}
_HEIGHT = 460
_SELECTS = {"x": "Setting", "y": "Second setting", "metric": "Measured by"}


def layout(view: View, place: Place) -> Any:
    """Lay out the page; callbacks fill its charts."""
    table, query = view.table(place.name), place.query
    where = Filter.parse(query.get("where"))
    where.mask(table)  # raises UsageError for what this study does not have
    labels = {name: figure.label for name, figure in views.views_of(table).items()}
    kind = query.get("view", "")
    return html.Div(
        [
            html.Div(
                lay_out_conditions(place.name, table, where),
                id="explore-passing",
                className="line passing",
                **attributes(aria_live="polite"),
            ),
            charts.pending_card("explore-parallel", "parallel", height=_HEIGHT),
            html.Section(
                [
                    html.Div(
                        [
                            dmc.SegmentedControl(
                                id="explore-view",
                                data=[
                                    {"value": key, "label": label} for key, label in labels.items()
                                ],
                                value=kind if kind in labels else _FIRST,
                                size="xs",
                            ),
                            _selects(table, query),
                        ],
                        className="line pane-head",
                    ),
                    cards.figure_card(
                        "explore-pane", title="Slice", height=_HEIGHT, config=_CONFIG
                    ),
                ],
                **attributes(aria_label="One chart at a time"),
            ),
            dcc.Store(id="explore-where", data=str(where)),
            # The chart that was brushed last; none if the filter came from elsewhere.
            dcc.Store(id="explore-brushed"),
            dcc.Store(id="explore-box"),
            dcc.Store(id="explore-ranges"),
            dcc.Store(id="explore-pane-range"),
        ],
        className="explore",
    )


def _selects(table: TrialTable, query: Mapping[str, str]) -> Any:
    choice = views.choice_of(table, query.get("x"), query.get("y"), query.get("metric"))
    offered = options(table)
    return html.Div(
        [
            html.Div(
                dmc.Select(
                    id=f"explore-{key}",
                    data=offered[key],
                    value=getattr(choice, key),
                    size="xs",
                    w=190,
                    allowDeselect=False,
                    searchable=True,
                    **attributes(aria_label=label),
                ),
                id=f"explore-{key}-control",
                title=label,
            )
            for key, label in _SELECTS.items()
        ],
        className="line pane-controls",
    )


def options(table: TrialTable) -> dict[str, list[dict[str, str]]]:
    """Return what each of the selects offers."""
    choice = views.choice_of(table, None, None, None)
    settings = views.settings_of(table) or [choice.x]
    metrics = views.metrics_of(table) or [choice.metric]
    return {
        "x": column_options(settings),
        "y": column_options(settings),
        "metric": column_options(metrics),
    }


def lay_out_conditions(study: str, table: TrialTable, where: Filter) -> list[Any]:
    """Lay out the conditions, each with a button to remove it, and how many trials pass."""
    n_trials, n_left = len(table), int(where.mask(table).sum())
    if not where:
        hint = "Drag along an axis, or a box on a chart below, to keep the trials in it."
        return [
            html.Span(_all_of(n_trials), className="count"),
            html.Span(hint if n_trials > 1 else "", className="hint"),
        ]
    grid = links.url(links.TRIALS, study, where=str(where))
    return [
        html.Span(f"{n_left:,} of {n_trials:,} trials", className="count"),
        *chips(where, "explore-drop"),
        dcc.Link("Show in the grid", href=grid, className="button"),
    ]


def _all_of(n_trials: int) -> str:
    if n_trials > 1:
        return f"All {n_trials:,} trials"
    return "1 trial" if n_trials else "No trial yet"


def register(app: Dash, view: View) -> None:
    """Register its callbacks."""
    _register_brushes(app, view)
    _register_charts(app, view)
    charts.opens_trials(app, "explore-pane")
    charts.follows_zoom(app, "explore-pane")

    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input("explore-where", "data"),
        Input("explore-view", "value"),
        *(Input(f"explore-{key}", "value") for key in _SELECTS),
    )
    def remember(where: str, kind: ViewName, *chosen: str | None) -> dict[str, str | None]:
        return query(where, kind, dict(zip(_SELECTS, chosen, strict=True)))

    @app.callback(
        *(Output(f"explore-{key}", "data") for key in _SELECTS),
        Input("revision", "data"),
        *(State(f"explore-{key}", "data") for key in _SELECTS),
        State("place", "data"),
    )
    def offer(_: Any, x: Any, y: Any, metric: Any, place: StudyPlace) -> list[Any]:
        now = options(view.table(place.name))
        shown = {"x": x, "y": y, "metric": metric}
        return [dash.no_update if now[key] == shown[key] else now[key] for key in _SELECTS]

    @app.callback(
        Output("explore-passing", "children"),
        Input("revision", "data"),
        Input("explore-where", "data"),
        State("place", "data"),
    )
    def count(_: Any, where: str, place: StudyPlace) -> list[Any]:
        study = place.name
        return lay_out_conditions(study, view.table(study), Filter.parse(where))


def query(where: str, kind: ViewName, chosen: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return what the address keeps: the filter, the chart and its columns."""
    return {"where": where, "view": kind, **{key: chosen[key] for key in views.controls_of(kind)}}


def _register_brushes(app: Dash, view: View) -> None:
    for name, function, prop in (
        ("explore-box", "boxed", "selectedData"),
        ("explore-ranges", "passed", "restyleData"),
    ):
        graph = "explore-pane" if function == "boxed" else "explore-parallel"
        figure = [State(graph, "figure")] if function == "boxed" else []
        app.clientside_callback(
            ClientsideFunction("explore", function),
            Output(name, "data"),
            Input(graph, prop),
            *figure,
            State(name, "data"),
        )

    @app.callback(
        Output("explore-where", "data"),
        Output("explore-brushed", "data"),
        Input("explore-box", "data"),
        Input("explore-ranges", "data"),
        Input({"type": "explore-drop", "name": ALL}, "n_clicks"),
        State("explore-where", "data"),
        State("explore-brushed", "data"),
        *(State(f"explore-{key}", "value") for key in _SELECTS),
        State("place", "data"),
    )
    def brush(
        box: Box | None,
        ranges: Ranges | None,
        _: Any,
        text: str,
        brushed: str | None,
        x: str | None,
        y: str | None,
        metric: str | None,
        place: StudyPlace,
    ) -> tuple[Any, Any]:
        where, cause = Filter.parse(text), ctx.triggered_id
        study = place.name
        if cause == "explore-ranges" and ranges:
            new, brushed = narrow_to_ranges(view.table(study), where, ranges.ranges), _PARALLEL
        elif cause == "explore-box" and box:
            reader = _reader(view, study, where, box.view, brushed, (x, y, metric))
            new, brushed = narrow_to_box(reader, where, box, (x, y, metric)), box.view
        elif isinstance(cause, dict) and any(told["value"] for told in ctx.triggered):
            new, brushed = drop(where, cause["name"]), None
        else:  # chips that were just drawn
            return dash.no_update, dash.no_update
        return (dash.no_update, dash.no_update) if str(new) == text else (str(new), brushed)


def drop(where: Filter, column: str) -> Filter:
    """Remove one condition, or every condition."""
    return where.without(column) if column else Filter()


def narrow_to_box(
    reader: PageReader, where: Filter, box: Box, chosen: Sequence[str | None]
) -> Filter:
    """Narrow the filter to a box that was drawn on a chart."""
    sides = _sides(reader, box.view, chosen)
    if sides is None:
        return where
    return brushing.narrow_to_box(where, reader.whole, (sides[0], box.x), (sides[1], box.y))


def _sides(
    reader: PageReader, kind: ViewName, chosen: Sequence[str | None]
) -> tuple[Side, Side] | None:
    found = gather_figure(reader, kind, _options(reader, kind, chosen))
    return found and views.VIEWS[kind].sides(found.data)


def _options(reader: PageReader, kind: ViewName, chosen: Sequence[str | None]) -> dict[str, Any]:
    choice = views.choice_of(reader.whole, *chosen)
    return {option: getattr(choice, key) for key, option in views.controls_of(kind).items()}


def narrow_to_ranges(
    table: TrialTable, where: Filter, ranges: Mapping[str, Sequence[tuple[float, float]]]
) -> Filter:
    """Narrow the filter to the ranges that are drawn on the parallel axes."""
    dimensions = gather_brushed(table, where).dimensions
    return brushing.narrow_to_ranges(where, table, dimensions, ranges)


def _reader(
    view: View,
    study: str,
    where: Filter,
    kind: ViewName,
    brushed: str | None,
    chosen: Sequence[str | None],
) -> PageReader:
    """Read the trials that a chart shows: those that pass; around its own box all others too."""
    if kind == brushed:
        for side in _sides(PageReader(view, study), kind, chosen) or ():
            where = where.without(side.column)
    return PageReader(view, study, where)


def _register_charts(app: Dash, view: View) -> None:
    @app.callback(
        *charts.outputs("explore-parallel"),
        Input("revision", "data"),
        Input("explore-where", "data"),
        State("explore-brushed", "data"),
        State("explore-ranges", "data"),
        State("place", "data"),
        prevent_initial_call=False,
    )
    def parallel(
        _: Any, where: str, brushed: str | None, ranges: Ranges | None, place: StudyPlace
    ) -> Any:
        reader = PageReader(view, place.name, Filter.parse(where))
        if brushed == _PARALLEL and _only_filtered() and reader.whole.counting.sum() <= MAX_LINES:
            return dash.no_update  # it shows its brush already
        return charts.fill(parallel_figure(reader, ranges.order if ranges else []))

    @app.callback(
        *charts.outputs("explore-pane"),
        *(Output(f"explore-{key}-control", "hidden") for key in _SELECTS),
        Input("revision", "data"),
        Input("explore-where", "data"),
        Input("explore-view", "value"),
        *(Input(f"explore-{key}", "value") for key in _SELECTS),
        Input("explore-pane-range", "data"),
        State("explore-brushed", "data"),
        State("explore-box", "data"),
        State("place", "data"),
        prevent_initial_call=False,
    )
    def pane(
        _: Any,
        where: str,
        kind: ViewName,
        x: str | None,
        y: str | None,
        metric: str | None,
        zoom: Zoom | None,
        brushed: str | None,
        box: Box | None,
        place: StudyPlace,
    ) -> Any:
        chosen = (x, y, metric)
        if brushed == kind and _only_filtered():
            return dash.no_update
        between = charts.between(zoom, uirevision(kind, chosen))
        reader = _reader(view, place.name, Filter.parse(where), kind, brushed, chosen)
        box = box if brushed == kind else None
        figure = pane_figure(reader, kind, chosen, box, between)
        hidden = [key not in views.controls_of(kind) for key in _SELECTS]
        return [*charts.fill(figure), *hidden]


def _only_filtered() -> bool:
    """Return whether only the filter triggered the callback."""
    return {told["prop_id"] for told in ctx.triggered} == {"explore-where.data"}


def uirevision(kind: str, chosen: Sequence[str | None]) -> str:
    """Return the uirevision: zoom and box are kept while chart and axes stay the same."""
    return " ".join([kind, *map(str, chosen)])


def pane_figure(
    reader: PageReader,
    kind: ViewName,
    chosen: Sequence[str | None],
    box: Box | None,
    between: brushing.Span | None = None,
) -> PageFigure:
    """Draw the lower chart with the box that was drawn on it."""
    options, key = _options(reader, kind, chosen), uirevision(kind, chosen)
    figure = charts.figure_of(reader, kind, between, **options)
    brushable = figure.data is not None and views.VIEWS[kind].sides(figure.data) is not None
    kept = views.box_of(box.x, box.y) if box and box.of == key else []
    figure.drawn.update_layout(
        meta={**figure.drawn.layout.meta, "view": kind},
        uirevision=key,
        dragmode="select" if brushable else "zoom",
        selections=kept,
        selectionrevision=f"{key} {kept}",
    )
    hint = (
        "Drag a box to keep the trials in it; the tools above zoom and move." if brushable else ""
    )
    return figure._replace(note=" ".join(filter(None, (figure.note, hint))))


def parallel_figure(reader: PageReader, order: Sequence[str] = ()) -> PageFigure:
    """Draw parallel axes with the filter as ranges; ``order`` is the order that people chose."""
    figure = charts.figure_of(reader, "parallel", order=tuple(order))
    figure.drawn.update_layout(uirevision=str(reader.where))
    hint = "Drag a name to move its axis; click an axis next to a brush to remove the brush."
    notes = (figure.note, hint if figure.data else "")
    return figure._replace(note=" ".join(filter(None, notes)))
