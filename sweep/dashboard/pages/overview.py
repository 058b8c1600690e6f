"""One study at a glance: its findings, its history, and its best configurations.

The first response contains the text, the numbers and a drawing of the history, so that there is
something to see while Plotly loads; the charts follow, slow ones last.
"""

from collections.abc import Mapping
from typing import Any, Literal

import dash
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html

from sweep.analysis.verdict import study_verdict
from sweep.dashboard import links
from sweep.dashboard.edits import study_buttons, study_notes
from sweep.dashboard.links import Place, StudyPlace
from sweep.dashboard.parts import best, cards, charts, standing
from sweep.dashboard.parts.charts import PageFigure, Zoom
from sweep.dashboard.parts.findings import finding_table, lay_out_decision, missing, sentences
from sweep.dashboard.view import PageReader, View
from sweep.figures.history import gather_history
from sweep.figures.sparkline import poster_svg
from sweep.findings.progress import data_in_words
from sweep.findings.study import StudyFindings
from sweep.store.records import StudySummary
from sweep.store.table import TrialTable

#: From this number of trials on, slow figures are redrawn less often.
BIG = 20_000
_PAUSE_MILLISECONDS = 30_000

#: The chart of widths: squared errors, cross-entropies, or the law.
Chart = Literal["mse", "bce", "law"]
Pictures = Literal["reconstructions", "errors"]

_FIGURES: Mapping[Chart, str] = {"mse": "width", "bce": "entropy", "law": "width_law"}
_METRICS: Mapping[Chart, str] = {"mse": "Squared error", "bce": "Cross-entropy", "law": "Law"}
_PICTURES: Mapping[Pictures, str] = {"reconstructions": "Pictures", "errors": "Errors"}


def layout(view: View, place: Place) -> Any:
    """Lay out the page; callbacks fill in everything that may be slow."""
    study = view.study(place.name).summary()
    table = view.table(place.name)
    # Without the floors, which may have to be computed first: their sentences are added later.
    found = study_verdict(view.study(place.name), table, None)
    return html.Div(
        [
            html.Div(
                [
                    html.Div(_about(view, study), id="overview-about"),
                    study_buttons(view, study),
                ],
                className="overview-head",
            ),
            html.Section(id="overview-decision", className="card verdict", hidden=True),
            html.Section(
                html.Div(standing.in_words(study, found), id="overview-verdict"),
                className="card verdict",
            ),
            cards.strip(
                standing.tiles(study, view.study(place.name).workers()), id="overview-strip"
            ),
            html.Div(_nothing_yet(), id="overview-nothing", hidden=_any_value(table)),
            html.Div(
                figures(place, table, later=True),
                id="overview-figures",
                hidden=not _any_value(table),
            ),
            html.Div(id="overview-next"),
            html.Div(id="overview-failures"),
            html.Div(study_notes(view, study), id="overview-controls"),
            dcc.Store(id="overview-history-range"),
            dcc.Store(id="overview-width-range"),
            dcc.Store(id="overview-importances-due"),
            # Unknown until its chart is laid out: the pulse runs before that.
            dcc.Store(id="overview-importances-pause"),
        ],
        className="overview",
    )


def _about(view: View, study: StudySummary) -> list[Any]:
    return standing.about(study, data_in_words(view.study(study.name).record()))


def _any_value(table: TrialTable) -> bool:
    """Return whether some trial has a value to draw."""
    return bool((table.value > 0).any())


def pause(table: TrialTable) -> int:
    """Return the milliseconds between two drawings of a slow figure."""
    return _PAUSE_MILLISECONDS if len(table) >= BIG else 0


def _nothing_yet() -> Any:
    return cards.empty(
        "Nothing to draw yet", "The charts appear here when the first trial has a value."
    )


def figures(place: Place, table: TrialTable, *, later: bool = False) -> list[Any]:
    """Lay out the figures' cards; with ``later`` only those initially visible, without charts."""
    history = gather_history(table)
    first = html.Div(
        [
            charts.pending_card(
                "overview-history",
                "history",
                note=history.about,
                poster=poster_svg(history, *_POSTER) if _any_value(table) else None,
                later=later,
            ),
            charts.pending_card(
                "overview-width",
                "width",
                # Laid out again with the chart, so it has to keep its state.
                controls=_switch(
                    "overview-metric", _METRICS, place.query.get("error"), disabled=later
                ),
                later=later,
            ),
        ],
        className="row",
    )
    if later:
        return [first]
    return [
        first,
        _best_card(place),
        dcc.Store(id="overview-best-shown"),
        charts.pending_card("overview-importances", "importances", height=200),
    ]


_HEIGHT = 440
#: Size of the card on a laptop.
_POSTER = (570, _HEIGHT)
_KEY_COMPARE: dict[str, Any] = {"data-key": "compare"}


def _best_card(place: Place) -> Any:
    href = links.url(links.COMPARE, place.name)
    link = dcc.Link("Compare these", href=href, id="overview-compare", className="button")
    compare = html.Span(link, **_KEY_COMPARE)
    pictures = _switch("overview-pictures", _PICTURES, place.query.get("pictures"))
    return cards.card(
        "The best configurations",
        html.Div(dmc.Loader(type="dots"), id="overview-best", className="scroll"),
        controls=[pictures, compare],
    )


def _switch(
    id: str, choices: Mapping[Any, str], value: str | None, *, disabled: bool = False
) -> Any:
    return dmc.SegmentedControl(
        id=id,
        disabled=disabled,
        data=[{"value": value, "label": label} for value, label in choices.items()],
        value=value if value in choices else next(iter(choices)),
        size="xs",
    )


def register(app: Dash, view: View) -> None:
    """Its callbacks."""
    _register_words(app, view)
    _register_charts(app, view)
    _register_best(app, view)
    charts.opens_trials(app, "overview-history", "overview-width")
    charts.follows_zoom(app, "overview-history")
    charts.follows_zoom(app, "overview-width")
    charts.comes_later(app, "overview-importances")

    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input("overview-metric", "value"),
        Input("overview-pictures", "value"),
    )
    def remember(metric: Chart, pictures: Pictures) -> dict[str, str]:
        return query(metric, pictures)


def query(metric: Chart, pictures: Pictures) -> dict[str, str]:
    """Return what the address keeps: every choice that is not the default."""
    chosen: dict[str, tuple[str, Mapping[Any, str]]] = {
        "error": (metric, _METRICS),
        "pictures": (pictures, _PICTURES),
    }
    return {key: value for key, (value, of) in chosen.items() if value != next(iter(of))}


def _register_words(app: Dash, view: View) -> None:
    @app.callback(
        Output("overview-strip", "children"),
        Output("overview-about", "children"),
        Output("overview-nothing", "hidden"),
        Output("overview-figures", "hidden"),
        Input("revision", "data"),
        State("place", "data"),
    )
    def count(_: Any, place: StudyPlace) -> Any:
        name = place.name
        study, any_value = view.study(name).summary(), _any_value(view.table(name))
        tiles = standing.tiles(study, view.study(name).workers())
        return tiles, _about(view, study), any_value, not any_value

    @app.callback(
        Output("overview-decision", "children"),
        Output("overview-decision", "hidden"),
        Output("overview-verdict", "children"),
        Output("overview-next", "children"),
        Output("overview-failures", "children"),
        Input("revision", "data"),
        State("place", "data"),
        prevent_initial_call=False,
    )
    def judge(_: Any, place: StudyPlace) -> Any:
        name = place.name
        found = view.findings(name, in_short=True)
        failed = finding_table(name, found.failure_table) if found.failed else None
        computing = view.computing_floors(name)
        return (
            lay_out_decision(name, found.decision) if found.decision else [],
            found.decision is None,
            standing.in_words(
                found.study, found.verdict, found.reasons, computing_floors=computing
            ),
            advice(found),
            cards.card("What failed", failed) if failed else None,
        )


def advice(found: StudyFindings) -> Any:
    """Lay out the card with advice; None without advice."""
    said = found.advice_sentences
    return cards.card(found.advice_title, sentences(said)) if said else None


def _register_charts(app: Dash, view: View) -> None:
    @app.callback(
        Output("overview-figures", "children"),
        Output("overview-importances-pause", "data", allow_duplicate=True),
        Input("overview-figures", "id"),  # when the page exists
        State("place", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def show_figures(_: Any, place: StudyPlace) -> tuple[list[Any], int]:
        table = view.table(place.name)
        return figures(place, table), pause(table)

    @app.callback(
        *charts.outputs("overview-history"),
        Input("revision", "data"),
        Input("overview-history-range", "data"),
        State("place", "data"),
        prevent_initial_call=False,
    )
    def history(_: Any, span: Zoom | None, place: StudyPlace) -> Any:
        return charts.fill(history_figure(view, place.name, span))

    @app.callback(
        *charts.outputs("overview-width"),
        Input("revision", "data"),
        Input("overview-metric", "value"),
        Input("overview-width-range", "data"),
        State("place", "data"),
        prevent_initial_call=False,
    )
    def width(_: Any, error: Chart, span: Zoom | None, place: StudyPlace) -> Any:
        return charts.fill(width_figure(view, place.name, error, span))

    @app.callback(
        Output("overview-importances-pause", "data"),
        *charts.outputs("overview-importances"),
        Input("overview-importances-due", "data"),
        State("place", "data"),
    )
    def weigh(_: Any, place: StudyPlace) -> Any:
        reader = PageReader(view, place.name)
        figure = charts.figure_of(reader, "importances")
        return [pause(reader.table), *charts.fill(figure)]


def history_figure(view: View, study: str, zoom: Zoom | None = None) -> PageFigure:
    """Draw the history, for many trials only those in the zoom."""
    return charts.figure_of(PageReader(view, study), "history", charts.between(zoom))


def width_figure(view: View, study: str, error: Chart, zoom: Zoom | None = None) -> PageFigure:
    """Draw errors by width, with the floor of that error, or their law."""
    # Each error has its own scale, for which the other's zoom is meaningless.
    uirevision = f"keep {error}"
    between = charts.between(zoom, uirevision)
    reader = PageReader(view, study)
    figure = charts.figure_of(reader, _FIGURES[error], between, height=_HEIGHT)
    figure.drawn.update_layout(uirevision=uirevision)
    return figure


def _register_best(app: Dash, view: View) -> None:
    @app.callback(
        Output("overview-best", "children"),
        Output("overview-compare", "href"),
        Output("overview-best-shown", "data"),
        Input("revision", "data"),
        Input("overview-pictures", "value"),
        State("overview-best-shown", "data"),
        State("place", "data"),
        prevent_initial_call=False,
    )
    def rank(_: Any, pictures: Pictures, shown: Any, place: StudyPlace) -> Any:
        return lay_out_ranking(view, place.name, pictures, shown)


def lay_out_ranking(view: View, study: str, pictures: str, shown: Any = None) -> Any:
    """Lay out the ranking, with its address to compare and what it shows; no update if the same."""
    floors = view.floors(study)
    ranking = best.gather_best(view.study(study), view.table(study), floors)
    lines, table = ranking.lines, ranking.table
    shows = [pictures, floors is not None, ranking.has_originals]
    shows += [[line.trial.number, line.remarks, ranking.has_pictures(line)] for line in lines]
    if shows == shown:
        return [dash.no_update] * 3
    numbers = ",".join(str(line.trial.number) for line in lines)
    compare = links.url(links.COMPARE, study, trials=numbers)
    return best.draw_best(ranking, pictures) if table else missing(table.note), compare, shows
