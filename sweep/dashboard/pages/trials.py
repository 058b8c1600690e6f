"""Trials: a grid of all of them; filter, sort, choose columns, group, select some to compare.

The grid asks /api/trials for a block of rows at a time (assets/trials.js), so that its size does
not depend on the study's. All choices are kept in the address: ``where``, ``sort``, ``columns``,
``selected``, ``group``.
"""

from typing import Any, NamedTuple

import dash_mantine_components as dmc
from dash import (
    ALL,
    ClientsideFunction,
    Dash,
    Input,
    Output,
    State,
    ctx,
    dcc,
    html,
    no_update,
    set_props,
)

from sweep.analysis.filters import Filter
from sweep.catalogue.columns import column_options
from sweep.dashboard.links import Place, StudyPlace, trial_number
from sweep.dashboard.parts import grid_columns, grid_rows, trial_routes
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.group_table import group_table
from sweep.dashboard.parts.grouping import group_by, groupable
from sweep.dashboard.parts.trial_filter import (
    End,
    add_condition,
    chips,
    filter_bar,
    value_choices,
)
from sweep.dashboard.parts.trial_grid import chosen_columns, column_chooser, grid
from sweep.dashboard.view import View
from sweep.errors import UsageError
from sweep.findings.conditions import add_typed
from sweep.store.table import TrialTable


def layout(view: View, place: Place) -> Any:
    """Lay out the page."""
    table = view.table(place.name)
    where, sort = place.query.get("where", ""), place.query.get("sort") or default_sort(table)
    grid_rows.shown_rows(table, where, sort)  # reports an invalid address at once
    filtered = Filter.parse(where)
    columns = chosen_columns(table, place.query.get("columns"))
    group = place.query.get("group")
    return html.Div(
        [
            dcc.Store(id="trials-where", data=str(filtered)),
            dcc.Store(id="trials-sort", data=sort),
            dcc.Store(id="trials-selected", data=selected_numbers(place.query.get("selected"))),
            dcc.Store(id="trials-asked"),
            dcc.Store(id="trials-shown"),
            dcc.Store(id="trials-defaults", data=_defaults(table)),
            html.Div(
                [html.H1("Trials"), _count(), _unfold(), _actions(table, columns, group)],
                className="line",
            ),
            html.Div(filter_bar(table, filtered), className="line trials-filter"),
            html.Div(chips(filtered), id="trials-chips", className="line"),
            html.Div(groups(table, filtered, place.name, group), id="trials-groups"),
            grid(table, columns, sort),
        ],
        className="trials",
    )


def default_sort(table: TrialTable) -> str:
    """Return the order with the best trial first."""
    return table.objectives[0]


def selected_numbers(text: str | None) -> list[int]:
    """Parse the numbers of the trials that an address has selected."""
    numbers = map(trial_number, (text or "").split(","))
    return [number for number in numbers if number is not None]


class Defaults(NamedTuple):
    """Initial state of the grid."""

    sort: str
    columns: list[str]


class Asked(NamedTuple):
    """Text of the filter box and when it was typed; sent by assets/trials.js."""

    time: float
    text: str


def _defaults(table: TrialTable) -> dict[str, Any]:
    return Defaults(default_sort(table), grid_columns.default_columns(table))._asdict()


def _count() -> Any:
    return html.Span(id="trials-count", className="note", **attributes(aria_live="polite"))


def _unfold() -> Any:
    """Lay out the button that unfolds the controls on a phone, where the rows come first."""
    return html.Button(
        "Controls ▾",
        id="trials-unfold",
        className="plain",
        **attributes(aria_expanded="false", data_unfold=""),
    )


def _actions(table: TrialTable, columns: list[str], group: str | None) -> Any:
    return html.Div(
        [
            html.Span(id="trials-compare-note", className="note", role="status"),
            html.A(
                "Compare",
                id="trials-compare",
                className="button",
                **attributes(data_key="compare", data_soft=""),
            ),
            html.Button("Clear selection", id="trials-deselect", className="plain", hidden=True),
            dmc.Select(
                id="trials-group",
                data=column_options(groupable(table)),
                value=group,
                placeholder="Group by …",
                clearable=True,
                searchable=True,
                selectFirstOptionOnChange=True,
                w=170,
                **attributes(aria_label="Group by"),
            ),
            column_chooser(table, columns),
            html.A(
                "CSV", id="trials-csv", className="button", title="Download these trials as CSV"
            ),
        ],
        className="line trials-actions",
    )


def groups(table: TrialTable, filtered: Filter, study: str, name: str | None) -> Any:
    """Lay out the table of groups; empty if trials are not grouped."""
    if not name or name not in table.column_names:
        return None
    return group_table(group_by(table, name, filtered), name, study, table.objectives[0])


def register(app: Dash, view: View) -> None:
    """Register its callbacks."""
    trial_routes.register(app.server, view)
    _register_filter(app, view)
    _register_clientside(app)

    @app.callback(
        Output("trials-chips", "children"),
        Input("trials-where", "data"),
    )
    def show_chips(where: str | None) -> list[Any]:
        return chips(Filter.parse(where))

    @app.callback(
        Output("trials-groups", "children"),
        Input("trials-group", "value"),
        Input("trials-where", "data"),
        Input("revision", "data"),
        State("place", "data"),
    )
    def show_groups(group: str | None, where: str | None, _: Any, place: StudyPlace) -> Any:
        if not group and ctx.triggered_id == "revision":
            return no_update
        table = view.table(place.name)
        return groups(table, Filter.parse(where), place.name, group)

    @app.callback(
        Output("trials-condition-range", "hidden"),
        Output("trials-condition-choice", "hidden"),
        Output("trials-condition-values", "children"),
        Output("trials-condition-values", "value"),
        Output("trials-condition-low", "value"),
        Output("trials-condition-high", "value"),
        Input("trials-condition-column", "value"),
        State("place", "data"),
    )
    def offer(name: str | None, place: StudyPlace) -> tuple[Any, ...]:
        table = view.table(place.name)
        name = name if name in table.column_names else None
        options = value_choices(table, name) if name else []
        return bool(not name or options), options is None or not name, options or [], [], "", ""

    @app.callback(
        Output("trials-columns", "value"),
        Input("trials-usual", "n_clicks"),
        State("trials-defaults", "data"),
    )
    def usual_columns(_: Any, defaults: Defaults) -> Any:
        return defaults.columns


def _register_filter(app: Dash, view: View) -> None:
    @app.callback(
        Output("trials-where", "data"),
        Output("trials-typed", "value"),
        Output("trials-states", "value"),
        Input("trials-asked", "data"),
        Input("trials-states", "value"),
        Input({"type": "trials-drop", "name": ALL}, "n_clicks"),
        Input({"type": "trials-narrow", "where": ALL}, "n_clicks"),
        Input("trials-condition-add", "n_clicks"),
        State("trials-condition-column", "value"),
        State("trials-condition-low", "value"),
        State("trials-condition-high", "value"),
        State("trials-condition-values", "value"),
        State("trials-where", "data"),
        State("place", "data"),
    )
    def change(  # one callback, because all of these change the one filter
        asked: Asked | None,
        states: list[str] | None,
        _dropped: Any,
        _narrowed: Any,
        _added: Any,
        column: str | None,
        low: End,
        high: End,
        values: list[str] | None,
        where: str | None,
        place: StudyPlace,
    ) -> Any:
        filtered = Filter.parse(where)
        match ctx.triggered_id:
            case "trials-asked" if asked:
                try:
                    changed = add_typed(filtered, asked.text, view.table(place.name))
                except UsageError as error:  # shown below the box, which keeps the typed text
                    set_props("trials-typed", {"error": str(error)})
                    return no_update
            case "trials-states":
                changed = filtered.among("state", tuple(states or ()))
            case "trials-condition-add":
                changed = add_condition(filtered, column, low, high, values)
                changed.mask(view.table(place.name))
            case {"type": "trials-drop", "name": name} if _is_clicked():
                changed = filtered.without(name) if name else Filter()
            case {"type": "trials-narrow", "where": narrow} if _is_clicked():
                changed = Filter.parse(narrow)
            case _:  # a button that was just created
                return no_update
        set_props("problem", {"children": ""})
        set_props("trials-typed", {"error": ""})
        wanted_states = list(changed.choices.get("state", ()))
        was_typed = ctx.triggered_id == "trials-asked"
        return (
            str(changed) if changed != filtered else no_update,
            "" if was_typed else no_update,
            wanted_states if wanted_states != (states or []) else no_update,
        )


def _is_clicked() -> bool:
    return bool(ctx.triggered[0]["value"])


def _register_clientside(app: Dash) -> None:
    app.clientside_callback(
        ClientsideFunction("trials", "asked"),
        Output("trials-asked", "data"),
        Input("trials-typed", "n_submit"),
    )
    app.clientside_callback(
        ClientsideFunction("trials", "show"),
        # Never written; a callback without an output would be called on every page.
        Output("trials-shown", "data"),
        Input("trials-grid", "getRowsRequest"),
        Input("trials-where", "data"),
        Input("trials-columns", "value"),
        Input("revision", "data"),
        Input("trials-deselect", "n_clicks"),
        State("trials-selected", "data"),
        State("place", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("trials", "compare"),
        Output("trials-compare", "children"),
        Output("trials-compare", "href"),
        Output("trials-compare", "aria-disabled"),
        Output("trials-compare-note", "children"),
        Output("trials-deselect", "hidden"),
        Input("trials-selected", "data"),
        State("place", "data"),
        prevent_initial_call=False,
    )
    app.clientside_callback(
        ClientsideFunction("trials", "remember"),
        Output("query", "data", allow_duplicate=True),
        Output("trials-csv", "href"),
        Input("trials-where", "data"),
        Input("trials-sort", "data"),
        Input("trials-columns", "value"),
        Input("trials-selected", "data"),
        Input("trials-group", "value"),
        State("trials-defaults", "data"),
        State("place", "data"),
        prevent_initial_call="initial_duplicate",
    )
