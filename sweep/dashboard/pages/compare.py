"""Compare: a few trials side by side, with their settings, errors, curves and pictures.

``?trials=0,7,12`` lists them, ``only=1`` omits the settings that all of them share.
"""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update

from sweep.catalogue import formats
from sweep.dashboard.links import Place, StudyPlace
from sweep.dashboard.parts import cards, charts, states
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.charts import PageFigure
from sweep.dashboard.parts.chosen_trials import MOST, choose, usual
from sweep.dashboard.parts.findings import trial_link
from sweep.dashboard.parts.news import mark_of
from sweep.dashboard.parts.pictures import picture_row
from sweep.dashboard.view import PageReader, View
from sweep.findings.comparison import ComparedRow, Comparison, gather_comparison
from sweep.findings.ranking import best_numbers
from sweep.store.records import TrialRow

_N_SUGGESTED = 20


def layout(view: View, place: Place) -> Any:
    """Lay out the page."""
    table = view.table(place.name)
    given = place.query.get("trials")
    wanted = given.split(",") if given else [str(number) for number in usual(table)]
    only = place.query.get("only") == "1"
    chosen = choose(table, wanted)
    found = gather_comparison(view.study(place.name), table, chosen.numbers)
    return html.Div(
        [
            dcc.Store(id="compare-mark", data=mark_of(found)),
            dcc.Store(id="compare-query"),
            html.H1("Compare trials"),
            _controls(
                [str(number) for number in chosen.numbers],
                [str(number) for number in best_numbers(table, _N_SUGGESTED)],
                only,
            ),
            html.P(
                " ".join(chosen.complaints),
                id="compare-complaints",
                className="complaints",
                role="alert",
            ),
            html.Div(tables(found, only), id="compare-tables"),
            html.Div(
                [
                    charts.card_of(graph_id, figure, hides=True)
                    for graph_id, figure in figures(view, found).items()
                ],
                className="row",
            ),
            html.Div(pictures(found), id="compare-pictures"),
        ],
        className="compare",
    )


def _controls(numbers: Sequence[str], offered: Sequence[str], only: bool) -> Any:
    return html.Div(
        [
            html.Div(
                dmc.TagsInput(
                    id="compare-trials",
                    value=list(numbers),
                    data=list(offered),
                    placeholder="Add a trial by its number",
                    maxDropdownHeight=220,
                    clearable=True,
                    splitChars=[",", " ", ";"],
                    acceptValueOnBlur=True,
                    **attributes(aria_label=f"Trials to compare, up to {MOST}"),
                ),
                className="compare-trials",
                **attributes(data_search=""),
            ),
            dmc.Switch(id="compare-only", label="Only differences", checked=only),
        ],
        className="line",
    )


def tables(found: Comparison, only: bool) -> Any:
    """Lay out headline, settings and measurements, or instructions if there is nothing."""
    if not found.trials:
        return cards.empty(
            "Nothing to compare yet",
            "Add trials by their numbers above, or select some in the grid of trials.",
        )
    settings = [line for line in found.settings if line.differs or not only]
    parts = [
        ("Measured", found.measured, "Nothing has been measured yet."),
        ("Settings", settings, "All settings are equal."),
    ]
    body = [
        html.Tbody([_section(title, len(found.trials)), *_lines(lines, otherwise, title)])
        for title, lines, otherwise in parts
    ]
    return [
        *([html.P(found.headline, className="headline")] if found.headline else []),
        html.Div(
            html.Table([html.Thead(_heads(found)), *body], className="plain compare-table"),
            className="card scroll",
        ),
    ]


def _heads(found: Comparison) -> Any:
    return html.Tr([html.Td(), *(_head(found, row) for row in found.trials)])


def _head(found: Comparison, row: TrialRow) -> Any:
    role = found.roles.get(row.number)
    return html.Th(
        [
            html.Div(
                [
                    trial_link(found.study, row.number, f"Trial {row.number}"),
                    states.badge(row.state, row.outcome, row.invalid),
                ],
                className="line",
            ),
            html.Div(role, className="role") if role else None,
            html.Div(", ".join(row.tags), className="note") if row.tags else None,
            html.Div(row.note, className="note") if row.note else None,
            html.Div(row.reason, className="note") if row.reason else None,
        ],
        scope="col",
    )


def _section(title: str, n: int) -> Any:
    return html.Tr(html.Th(title, colSpan=n + 1, scope="rowgroup"), className="section")


def _lines(lines: Sequence[ComparedRow], otherwise: str, title: str) -> list[Any]:
    if not lines:
        return [html.Tr(html.Td(otherwise, className="note"))]
    return [_line(line, is_setting=title == "Settings") for line in lines]


def _line(line: ComparedRow, *, is_setting: bool) -> Any:
    marked = is_setting and line.differs
    label = [line.label, html.Span(" ≠", title="differs", className="sign") if marked else ""]
    beside = line.beside or ("",) * len(line.cells)
    cells = [
        html.Td(
            [
                html.Span("★ ", title="the best of these") if place in line.best else "",
                html.Span(cell.text, className="none") if cell.value is None else cell.text,
                html.Span(f" {apart}", className="apart") if apart else "",
            ],
            className="best" if place in line.best else "differs" if marked else None,
        )
        for place, (cell, apart) in enumerate(zip(line.cells, beside, strict=True))
    ]
    return html.Tr([html.Th(label, scope="row"), *cells])


#: By the ids of their graphs.
_FIGURES = {
    "compare-curves": "learning",
    "compare-front": "front",
    "compare-classes": "classes",
}


def figures(view: View, found: Comparison) -> dict[str, PageFigure]:
    """Gather the charts of learning curves, of what was learned and of classes, by their ids."""
    reader, trials = PageReader(view, found.study), tuple(row.number for row in found.trials)
    return {id: charts.figure_of(reader, name, trials=trials) for id, name in _FIGURES.items()}


def pictures(found: Comparison) -> Any:
    """Lay out each trial's reconstructions of the same images, its errors, and which is nearer."""
    if not found.pictured:
        return None
    first, *others = found.pictured
    cards_of = [
        _pictures("Reconstructions", found, _rows(found, "reconstructions")),
        _pictures("Error maps", found, _rows(found, "errors"), _ERRORS),
    ]
    if others:
        rows = [
            picture_row(_picture_label(found, row), "nearer", found.study, row.number, first.number)
            for row in others
        ]
        note = f"Blue: trial {first.number} is closer to the original. Orange: the other is."
        cards_of.append(_pictures(f"Difference from trial {first.number}", found, rows, note))
    return html.Div(cards_of, className="compare-pictures")


_ERRORS = "Black is correct, white is off by half the scale or more."


def _rows(found: Comparison, kind: str) -> list[Any]:
    return [
        picture_row(_picture_label(found, row), kind, found.study, row.number)
        for row in found.pictured
    ]


def _pictures(title: str, found: Comparison, rows: list[Any], note: str = "") -> Any:
    originals = picture_row("originals", "originals", found.study)
    return cards.card(title, html.Div([originals, *rows, html.P(note, className="note")]))


def _picture_label(found: Comparison, row: TrialRow) -> Any:
    error = html.Div(f"test error {formats.number(row.test_mse)}", className="note")
    return [trial_link(found.study, row.number, f"trial {row.number}"), error]


def register(app: Dash, view: View) -> None:
    """Register its callbacks."""
    filled = [of for graph_id in _FIGURES for of in charts.outputs(graph_id, hides=True)]

    # Separate, because every page has a query: Dash would call the one below on other pages too.
    app.clientside_callback(
        ClientsideFunction("compare", "remember"),
        Output("query", "data", allow_duplicate=True),
        Input("compare-query", "data"),
    )

    @app.callback(
        Output("compare-tables", "children"),
        *filled,
        Output("compare-pictures", "children"),
        Output("compare-complaints", "children"),
        Output("compare-mark", "data"),
        Output("compare-query", "data"),
        Input("compare-trials", "value"),
        Input("compare-only", "checked"),
        Input("revision", "data"),
        State("compare-mark", "data"),
        State("place", "data"),
    )
    def show(
        wanted: list[str] | None, only: bool, _: Any, mark: str | None, place: StudyPlace
    ) -> tuple[Any, ...]:
        study = place.name
        table = view.table(study)
        chosen = choose(table, wanted or [])
        found = gather_comparison(view.study(study), table, chosen.numbers)
        query = {"trials": ",".join(map(str, chosen.numbers)), "only": "1" if only else ""}
        now = mark_of(found)
        said = (" ".join(chosen.complaints), now, query)
        if now == mark:  # only the switch, or news about other trials
            same = ctx.triggered_id == "revision"
            rest = [no_update] * (len(filled) + 1)
            return (no_update if same else tables(found, only), *rest, *said)
        drawn = figures(view, found).values()
        return (
            tables(found, only),
            *(of for figure in drawn for of in charts.fill(figure, hides=True)),
            pictures(found),
            *said,
        )
