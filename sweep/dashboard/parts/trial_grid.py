"""Lay out the grid of trials as a component, and the choice of its columns."""

import json
from collections.abc import Sequence
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import html

from sweep.catalogue.columns import column_named
from sweep.dashboard.parts import grid_columns
from sweep.dashboard.parts.grid_columns import MEASURED, SETTINGS, TRIAL, GridColumn
from sweep.dashboard.parts.popover import popover
from sweep.findings.selection import Sort, parse_sort
from sweep.store.table import TrialTable

#: Rows that the grid asks for at once.
BLOCK = 100

_WIDTHS = {"number": 84, "state": 120, "note": 260, "reason": 260, "started": 170, "ended": 170}
_THEME = {
    "accentColor": "var(--accent)",
    "backgroundColor": "var(--card)",
    "headerBackgroundColor": "var(--card)",
    "fontFamily": "inherit",
    "headerFontFamily": "inherit",
    "fontSize": 13,
    "cellHorizontalPadding": 12,
}


def chosen_columns(table: TrialTable, text: str | None) -> list[str]:
    """List the columns that an address names, without unknown ones."""
    known = grid_columns.columns_of(table)
    chosen = dict.fromkeys(name for name in (text or "").split(",") if name in known)
    return list(chosen) or grid_columns.default_columns(table)


def grid(table: TrialTable, columns: Sequence[str], sort: str) -> Any:
    """Lay out the grid of trials; it asks the server for the rows in sight."""
    by = {part.name: part for part in parse_sort(sort)}
    known = grid_columns.columns_of(table)
    return dag.AgGrid(
        id="trials-grid",
        columnDefs=[
            _column_def(known[name], name in columns, by.get(name))
            for name in dict.fromkeys((*columns, *known))
        ],
        defaultColDef={
            "resizable": True,
            "sortingOrder": ["asc", "desc"],
            "suppressHeaderMenuButton": True,
        },
        rowModelType="infinite",
        getRowId="params.data.number",
        style={"height": None},
        className="trials-grid",
        dashGridOptions={
            "theme": {"function": f"themeQuartz.withParams({json.dumps(_THEME)})"},
            "cacheBlockSize": BLOCK,
            "maxBlocksInCache": 20,
            "infiniteInitialRowCount": max(1, len(table)),
            # A fast scroll does not request every block that it passes.
            "blockLoadDebounceMillis": 60,
            "rowBuffer": 20,
            "rowHeight": 34,
            "headerHeight": 38,
            "suppressDragLeaveHidesColumns": True,
            "enableCellTextSelection": True,
            "tooltipShowDelay": 400,
            "rowSelection": {
                "mode": "multiRow",
                "checkboxes": True,
                "headerCheckbox": False,
                "enableClickSelection": False,
            },
            "selectionColumnDef": {"pinned": "left", "width": 44},
            "rowClassRules": {"row-invalid": "params.data && params.data.invalid"},
            "localeText": {"noRowsToShow": "No trial meets these conditions."},
        },
    )


def _column_def(column: GridColumn, is_shown: bool, by: Sort | None) -> dict[str, Any]:
    name = column.name
    definition: dict[str, Any] = {
        "field": name,
        "colId": name,
        "headerName": column.heading,
        "headerTooltip": column_named(name).axis_title,
        "initialHide": not is_shown,
        "initialWidth": _WIDTHS.get(name, 38 + 7 * max(7, len(column.heading))),
        "sortable": column.is_in_table,
    }
    if by is not None:
        definition["initialSort"] = "desc" if by.descending else "asc"
    if column_named(name).higher_is_better:
        definition["sortingOrder"] = ["desc", "asc"]
    if name == "number":
        definition |= {"pinned": "left", "cellRenderer": "TrialNumber"}
    elif column.is_number:
        definition |= {"type": "rightAligned", "cellClass": "ag-right-aligned-cell number"}
    elif name == "state":
        definition["cellRenderer"] = "TrialState"
    elif not column.is_in_table:
        definition["tooltipField"] = name
    return definition


def column_chooser(table: TrialTable, columns: Sequence[str]) -> Any:
    """Lay out the menu that shows and hides columns."""
    offered = grid_columns.columns_of(table).values()
    choices = [
        html.Div(
            [html.H3(title)]
            + [_column_choice(column) for column in offered if column.group == title]
        )
        for title in (TRIAL, MEASURED, SETTINGS)
    ]
    return popover(
        "Columns",
        [
            dmc.CheckboxGroup(
                html.Div(choices, className="trials-columns"),
                id="trials-columns",
                value=list(columns),
            ),
            html.Button("Defaults", id="trials-usual", className="plain"),
        ],
    )


def _column_choice(column: GridColumn) -> Any:
    # Without its number a row would not be identifiable.
    is_number = column.name == "number"
    return dmc.Checkbox(
        label=column.heading, value=column.name, size="xs", radius="sm", disabled=is_number, mb=4
    )
