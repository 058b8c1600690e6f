"""Compare studies: their results, their numbers of trials and seconds, and their differences.

``?studies=a,b`` lists them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html, no_update

from sweep.dashboard import links
from sweep.dashboard.links import Place, join_names, split_names
from sweep.dashboard.parts import cards, charts
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.findings import finding_table
from sweep.dashboard.view import PageReader, View
from sweep.figures.best_so_far import (
    FIGURE,
    NOTES,
    TITLES,
    Over,
    gather_best_so_far,
)
from sweep.figures.registry import GatheredFigure
from sweep.findings.study_comparison import gather_studies

#: Maximum number of studies side by side: each has a colour and a column.
MOST = 8


class ChosenStudies(NamedTuple):
    """Studies to compare, and complaints about the others."""

    names: list[str]
    complaints: list[str]


def layout(view: View, place: Place) -> Any:
    """Lay out the page."""
    every = view.database.names()
    chosen = choose(every, split_names(place.query.get("studies")))
    said, tables = compared(view, chosen.names)
    return html.Div(
        [
            dcc.Store(id="compared-mark", data=mark_of(view, chosen.names)),
            html.H1("Compare studies"),
            html.Div(
                dmc.MultiSelect(
                    id="compared-studies",
                    value=chosen.names,
                    data=every,
                    placeholder="Add a study",
                    searchable=True,
                    clearable=True,
                    maxValues=MOST,
                    **attributes(aria_label=f"Studies to compare, up to {MOST}"),
                ),
                className="compare-trials",
                **attributes(data_search=""),
            ),
            html.P(
                " ".join(chosen.complaints),
                id="compared-complaints",
                className="complaints",
                role="alert",
            ),
            html.Div(said, id="compared-words", className="compare"),
            html.Div(
                [
                    cards.figure_card(
                        f"compared-{over}",
                        curves(view, chosen.names, over),
                        title=TITLES[over],
                        note=NOTES[over],
                    )
                    for over in TITLES
                ],
                id="compared-figures",
                className="row",
                hidden=not _is_enough(chosen.names),
            ),
            html.Div(tables, id="compared-tables", className="compare"),
        ],
        className="compare",
    )


def choose(every: Sequence[str], wanted: Sequence[str]) -> ChosenStudies:
    """Choose the wanted studies that exist, each once, as many as fit."""
    wanted = list(dict.fromkeys(wanted))
    known = [name for name in wanted if name in every]
    complaints = [f"There is no study '{name}'." for name in wanted if name not in every]
    if left_out := known[MOST:]:
        complaints.append(f"{MOST} studies fit side by side; not shown: {', '.join(left_out)}.")
    return ChosenStudies(known[:MOST], complaints)


def mark_of(view: View, names: Sequence[str]) -> list[tuple[str, int]]:
    """Return names and revisions: they differ when the page has something new to show."""
    return [(name, view.key(name).revision) for name in names]


def _is_enough(names: Sequence[str]) -> bool:
    return len(names) > 1


def compared(view: View, names: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """Return sentences and tables; instructions if there is nothing to compare."""
    if not _is_enough(names):
        nothing = cards.empty(
            "Nothing to compare yet",
            "Add at least two studies above, or select them on the page of all studies.",
        )
        return [nothing], []
    found = gather_studies([*map(view.study, names)], [*map(view.table, names)])
    cautions = [html.P(of, className="caution", role="note") for of in found.cautions]
    ways = [
        dcc.Link(f"Open {name}", href=links.url(links.OVERVIEW, name), className="button")
        for name in names
    ]
    headline = [html.P(found.headline, className="headline")] if found.headline else []
    tables = [
        cards.card(table.title, finding_table("", table, "compare-table")) for table in found.tables
    ]
    return [*cautions, *headline, html.Div(ways, className="line")], tables


def curves(view: View, names: Sequence[str], over: Over) -> go.Figure:
    """Draw the best so far of each study; the chart says so if none has a value."""
    if not _is_enough(names):
        return go.Figure()  # which is hidden
    data = gather_best_so_far([(name, view.table(name)) for name in names], over)
    found = None if data is None else GatheredFigure(FIGURE, data)
    options = {"beside": tuple(names[1:]), "over": over}
    return charts.draw(PageReader(view, names[0]), FIGURE, found, None, options).drawn


def register(app: Dash, view: View) -> None:
    """Register its callbacks."""

    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input("compared-studies", "value"),
        prevent_initial_call=True,
    )
    def remember(names: list[str] | None) -> dict[str, str]:
        return {"studies": join_names(names or [])}

    @app.callback(
        Output("compared-words", "children"),
        Output("compared-tables", "children"),
        Output("compared-trials", "figure"),
        Output("compared-seconds", "figure"),
        Output("compared-figures", "hidden"),
        Output("compared-complaints", "children"),
        Output("compared-mark", "data"),
        Input("compared-studies", "value"),
        Input("revision", "data"),
        State("compared-mark", "data"),
        prevent_initial_call=True,
    )
    def show(
        wanted: list[str] | None, _: Any, mark: list[tuple[str, int]] | None
    ) -> tuple[Any, ...]:
        names, complaints = choose(view.database.names(), wanted or [])
        now = mark_of(view, names)
        said = " ".join(complaints)
        if mark is not None and [tuple(of) for of in mark] == now:  # news about other studies
            return (*[no_update] * 5, said, no_update)
        return (
            *compared(view, names),
            curves(view, names, "trials"),
            curves(view, names, "seconds"),
            not _is_enough(names),
            said,
            now,
        )
