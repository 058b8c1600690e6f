"""Explore many trials: a brush on one chart filters the other charts and the grid.

The brushes make up one filter, which is kept in the address. Parallel axes show it as ranges; of
the charts below them one is drawn at a time. The chart that was brushed last keeps the trials
around its box, so that the box can be moved; all others show only trials that pass.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import dash
import dash_mantine_components as dmc
import numpy as np
import plotly.graph_objects as go
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html

from sweep.catalogue.columns import column_named
from sweep.dashboard import links
from sweep.dashboard.links import Place, StudyPlace
from sweep.dashboard.parts import brushing, cards, charts, views
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.brushing import Side
from sweep.dashboard.parts.charts import Zoom
from sweep.dashboard.parts.views import Box, Ranges, ViewName
from sweep.dashboard.view import PageReader, View
from sweep.figures import style
from sweep.figures.marks import sampled
from sweep.figures.parallel import MAX_LINES, Lines, gather_lines
from sweep.figures.registry import FIGURES, gather_figure
from sweep.findings.filters import Filter
from sweep.store.table import Mask, TrialTable

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
    kinds = {key: kind.title for key, kind in views.kinds_of(table).items()}
    kind = query.get("view", "")
    return html.Div(
        [
            html.Div(
                passing(place.name, table, where),
                id="explore-passing",
                className="line passing",
                **attributes(aria_live="polite"),
            ),
            cards.figure_card(
                "explore-parallel", title="Settings of every trial, and its error", height=_HEIGHT
            ),
            html.Section(
                [
                    html.Div(
                        [
                            dmc.SegmentedControl(
                                id="explore-view",
                                data=[
                                    {"value": key, "label": title} for key, title in kinds.items()
                                ],
                                value=kind if kind in kinds else _FIRST,
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
        "x": [{"value": name, "label": column_named(name).title} for name in settings],
        "y": [{"value": name, "label": column_named(name).title} for name in settings],
        "metric": [{"value": name, "label": _metric(name)} for name in metrics],
    }


def _metric(name: str) -> str:
    return column_named(name).title


def passing(study: str, table: TrialTable, where: Filter) -> list[Any]:
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
        *(_chip(name, said) for name, said in where.in_words().items()),
        html.Button("Clear all", id=_drop(""), className="plain small"),
        dcc.Link("Show in the grid", href=grid, className="button"),
    ]


def _all_of(n_trials: int) -> str:
    if n_trials > 1:
        return f"All {n_trials:,} trials"
    return "1 trial" if n_trials else "No trial yet"


def _chip(name: str, said: str) -> Any:
    return html.Button(
        [said, " ", html.Span("×", **attributes(aria_hidden="true"))],
        id=_drop(name),
        className="chip",
        title="Remove this condition",
        **attributes(aria_label=f"Remove: {said}"),
    )


def _drop(name: str) -> dict[str, str]:
    return {"type": "explore-drop", "column": name}


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
        prevent_initial_call=True,
    )
    def remember(where: str, kind: ViewName, *chosen: str | None) -> dict[str, str | None]:
        return query(where, kind, dict(zip(_SELECTS, chosen, strict=True)))

    @app.callback(
        *(Output(f"explore-{key}", "data") for key in _SELECTS),
        Input("revision", "data"),
        *(State(f"explore-{key}", "data") for key in _SELECTS),
        State("place", "data"),
        prevent_initial_call=True,
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
        prevent_initial_call=True,
    )
    def count(_: Any, where: str, place: StudyPlace) -> list[Any]:
        study = place.name
        return passing(study, view.table(study), Filter.parse(where))


def query(where: str, kind: ViewName, chosen: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return what the address keeps: the filter, the chart and its columns."""
    controls = views.KINDS[kind].options
    return {"where": where, "view": kind, **{key: chosen[key] for key in controls}}


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
            prevent_initial_call=True,
        )

    @app.callback(
        Output("explore-where", "data"),
        Output("explore-brushed", "data"),
        Input("explore-box", "data"),
        Input("explore-ranges", "data"),
        Input({"type": "explore-drop", "column": ALL}, "n_clicks"),
        State("explore-where", "data"),
        State("explore-brushed", "data"),
        *(State(f"explore-{key}", "value") for key in _SELECTS),
        State("place", "data"),
        prevent_initial_call=True,
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
            new, brushed = ranged(view.table(study), where, ranges.ranges), _PARALLEL
        elif cause == "explore-box" and box:
            reader = _reader(view, study, where, box.view, brushed, (x, y, metric))
            new, brushed = boxed(reader, where, box, (x, y, metric)), box.view
        elif isinstance(cause, dict) and any(told["value"] for told in ctx.triggered):
            new, brushed = dropped(where, cause["column"]), None
        else:  # chips that were just drawn
            return dash.no_update, dash.no_update
        return (dash.no_update, dash.no_update) if str(new) == text else (str(new), brushed)


def dropped(where: Filter, column: str) -> Filter:
    """Remove one condition, or every condition."""
    return where.without(column) if column else Filter()


def boxed(reader: PageReader, where: Filter, box: Box, chosen: Sequence[str | None]) -> Filter:
    """Narrow the filter to a box that was drawn on a chart."""
    sides = _sides(reader, box.view, chosen)
    if sides is None:
        return where
    return brushing.boxed(where, reader.whole, (sides[0], box.x), (sides[1], box.y))


def _sides(
    reader: PageReader, kind: ViewName, chosen: Sequence[str | None]
) -> tuple[Side, Side] | None:
    found = gather_figure(reader, views.KINDS[kind].figure, _options(reader, kind, chosen))
    return found and views.KINDS[kind].sides(found.data, reader.table)


def _options(reader: PageReader, kind: ViewName, chosen: Sequence[str | None]) -> dict[str, Any]:
    choice = views.choice_of(reader.whole, *chosen)
    return {name: getattr(choice, key) for key, name in views.KINDS[kind].options.items()}


def ranged(
    table: TrialTable, where: Filter, ranges: Mapping[str, Sequence[tuple[float, float]]]
) -> Filter:
    """Narrow the filter to the ranges that are drawn on the parallel axes."""
    dimensions = parallel_lines(table, where).dimensions
    return brushing.passed(where, table, dimensions, ranges)


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
        Output("explore-parallel", "figure"),
        Output("explore-parallel-note", "children"),
        Input("revision", "data"),
        Input("explore-where", "data"),
        State("explore-brushed", "data"),
        State("explore-ranges", "data"),
        State("place", "data"),
    )
    def parallel(
        _: Any, where: str, brushed: str | None, ranges: Ranges | None, place: StudyPlace
    ) -> Any:
        reader = PageReader(view, place.name, Filter.parse(where))
        if brushed == _PARALLEL and _only_filtered() and reader.whole.counting.sum() <= MAX_LINES:
            return dash.no_update, dash.no_update  # it shows its brush already
        return parallel_figure(reader, ranges.order if ranges else [])

    @app.callback(
        Output("explore-pane", "figure"),
        Output("explore-pane", "style"),
        Output("explore-pane-title", "children"),
        Output("explore-pane-note", "children"),
        *(Output(f"explore-{key}-control", "hidden") for key in _SELECTS),
        Input("revision", "data"),
        Input("explore-where", "data"),
        Input("explore-view", "value"),
        *(Input(f"explore-{key}", "value") for key in _SELECTS),
        Input("explore-pane-range", "data"),
        State("explore-brushed", "data"),
        State("explore-box", "data"),
        State("place", "data"),
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
            return [dash.no_update] * (4 + len(_SELECTS))
        between = charts.between(zoom, uirevision(kind, chosen))
        reader = _reader(view, place.name, Filter.parse(where), kind, brushed, chosen)
        box = box if brushed == kind else None
        drawn, note = pane_figure(reader, kind, chosen, box, between)
        title = str(drawn.layout.meta["title"])
        hidden = [key not in views.KINDS[kind].options for key in _SELECTS]
        return [charts.renewed(drawn), charts.sized(drawn), title, note, *hidden]


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
) -> tuple[go.Figure, str]:
    """Draw the lower chart with the box that was drawn on it; return its note too."""
    asked, options = views.KINDS[kind], _options(reader, kind, chosen)
    drawn, note, data = charts.figure_of(reader, asked.figure, between, **options)
    key = uirevision(kind, chosen)
    brushable = data is not None and asked.sides(data, reader.table) is not None
    kept = views.box_of(box.x, box.y) if box and box.of == key else []
    drawn.update_layout(
        meta={**drawn.layout.meta, "view": kind},
        uirevision=key,
        dragmode="select" if brushable else "zoom",
        selections=kept,
        selectionrevision=f"{key} {kept}",
    )
    hint = (
        "Drag a box to keep the trials in it; the tools above zoom and move." if brushable else ""
    )
    return drawn, " ".join(filter(None, (note, hint)))


def parallel_figure(reader: PageReader, order: Sequence[str] = ()) -> tuple[go.Figure, str]:
    """Draw parallel axes with the filter as ranges; ``order`` is the order that people chose."""
    where = reader.where
    lines = parallel_lines(reader.whole, where)
    place = {name: at for at, name in enumerate(order)}
    dimensions = sorted(lines.dimensions, key=lambda of: place.get(of.name, len(place)))
    drawn = cards.bare(FIGURES["parallel"].draw(lines._replace(dimensions=dimensions)))
    for axis, dimension in zip(_axes(drawn), dimensions, strict=False):
        axis.multiselect = dimension.choices is not None
        if brush := brushing.brush_of(where, dimension):
            axis.constraintrange = brush if len(brush) > 1 else brush[0]
        ticks = brushing.fine_ticks(dimension)
        axis.tickvals, axis.ticktext = list(ticks), [*map(style.escaped, ticks.values())]
    hint = "Drag a name to move its axis; click an axis next to a brush to remove the brush."
    drawn.update_layout(uirevision=str(where), meta={"csv": charts.csv_url(reader, "parallel", {})})
    return drawn, " ".join(filter(None, (lines.about, hint if lines.dimensions else "")))


def _axes(drawn: go.Figure) -> Sequence[Any]:
    return drawn.data[0].dimensions if drawn.data else ()


def parallel_lines(table: TrialTable, where: Filter) -> Lines:
    """Gather the trials that pass, and faintly those outside the axes' brushes if there is room."""
    own = {*table.searched, "value"}
    around = _only(where, {*where.in_words()} - own).apply(table)
    around = around.where(around.counting)
    if len(around) > MAX_LINES and where:
        around = around.where(_passing_first(where.mask(around)))
    lines = gather_lines(around)
    # If the remaining trials do not differ in a setting, no axis shows its condition.
    hidden = own - {dimension.name for dimension in lines.dimensions}
    held = _only(where, hidden)
    return gather_lines(held.apply(around)) if held else lines


def _only(where: Filter, names: Set[str]) -> Filter:
    """Keep only the conditions on these columns."""
    return Filter(
        ranges={name: span for name, span in where.ranges.items() if name in names},
        choices={name: wanted for name, wanted in where.choices.items() if name in names},
    )


def _passing_first(passes: Mask) -> Mask:
    """Select all trials that pass and, if there is room, some of the others."""
    room = MAX_LINES - int(passes.sum())
    kept = passes.copy()
    if room > 0:
        others = np.flatnonzero(~passes)
        kept[others[sampled(len(others), room)]] = True
    return kept
