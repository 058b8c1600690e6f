"""Compare studies: their results, their numbers of trials and seconds, and their differences.

``?studies=a,b`` lists them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html, no_update

from sweep.dashboard import links
from sweep.dashboard.links import Place, join_names, split_names
from sweep.dashboard.parts import cards, charts
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.charts import PageFigure
from sweep.dashboard.parts.findings import finding_table
from sweep.dashboard.view import PageReader, View
from sweep.figures.best_so_far import (
    Over,
)
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
    said, tables = lay_out_comparison(view, chosen.names)
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
                    charts.card_of(graph_id, figure, hides=True)
                    for graph_id, figure in curves(view, chosen.names).items()
                ],
                className="row",
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


def lay_out_comparison(view: View, names: Sequence[str]) -> tuple[list[Any], list[Any]]:
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
        cards.card(table.title, finding_table("", table, "compare-table"))
        for table in found.tables.values()
    ]
    return [*cautions, *headline, html.Div(ways, className="line")], tables


#: By the ids of their graphs.
_OVER: Mapping[str, Over] = {"compared-trials": "trials", "compared-seconds": "seconds"}


def curves(view: View, names: Sequence[str]) -> dict[str, PageFigure]:
    """Draw the best so far of each study, by the ids of the graphs."""
    if not _is_enough(names):
        return dict.fromkeys(_OVER, PageFigure(go.Figure(), "", ""))  # which is hidden
    reader, others = PageReader(view, names[0]), tuple(names[1:])
    return {
        graph_id: charts.figure_of(reader, "best_so_far", beside=others, over=over)
        for graph_id, over in _OVER.items()
    }


def register(app: Dash, view: View) -> None:
    """Register its callbacks."""
    filled = [of for graph_id in _OVER for of in charts.outputs(graph_id, hides=True)]

    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input("compared-studies", "value"),
    )
    def remember(names: list[str] | None) -> dict[str, str]:
        return {"studies": join_names(names or [])}

    @app.callback(
        Output("compared-words", "children"),
        Output("compared-tables", "children"),
        *filled,
        Output("compared-complaints", "children"),
        Output("compared-mark", "data"),
        Input("compared-studies", "value"),
        Input("revision", "data"),
        State("compared-mark", "data"),
    )
    def show(
        wanted: list[str] | None, _: Any, mark: list[tuple[str, int]] | None
    ) -> tuple[Any, ...]:
        names, complaints = choose(view.database.names(), wanted or [])
        now = mark_of(view, names)
        said = " ".join(complaints)
        if mark is not None and [tuple(of) for of in mark] == now:  # news about other studies
            return (*[no_update] * (2 + len(filled)), said, no_update)
        return (
            *lay_out_comparison(view, names),
            *(of for of in curves(view, names).values() for of in charts.fill(of, hides=True)),
            said,
            now,
        )
