"""Lay out the filter of the grid of trials: a box to type into, states, a form, and chips."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import html

from sweep.analysis.filters import Filter
from sweep.catalogue import formats
from sweep.dashboard.parts import grid_columns
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.grid_columns import MEASURED, SETTINGS, TRIAL
from sweep.dashboard.parts.popover import popover
from sweep.errors import UsageError
from sweep.store.records import STATES
from sweep.store.table import Choices, TrialTable

#: Values of an end of the form's range.
End = float | str | None

#: Shows what can be typed.
PLACEHOLDER = "Filter: relu, hidden_width:32..64, value<0.01 …"


def filter_bar(table: TrialTable, filtered: Filter) -> list[Any]:
    """Lay out the field for a filter and the forms that add conditions to it."""
    return [
        html.Div(
            dmc.TextInput(
                id="trials-typed",
                placeholder=PLACEHOLDER,
                autoComplete="off",
                spellCheck=False,
                **attributes(aria_label="Filter trials"),
            ),
            className="trials-typed",
            **attributes(data_search=""),
        ),
        html.Div(
            [_states(filtered), popover("Condition", _condition(table))], className="trials-more"
        ),
    ]


def _states(filtered: Filter) -> Any:
    return dmc.MultiSelect(
        id="trials-states",
        data=[{"value": state, "label": state.lower()} for state in STATES],
        value=list(filtered.choices.get("state", ())),
        placeholder="" if "state" in filtered.choices else "Any state",
        clearable=True,
        className="trials-states",
        **attributes(aria_label="States to show"),
    )


def _condition(table: TrialTable) -> Any:
    offered = [column for column in grid_columns.columns_of(table).values() if column.is_in_table]
    inside = {"withinPortal": False}  # else a click on an option would close the popover
    return html.Div(
        [
            dmc.Select(
                id="trials-condition-column",
                label="Column",
                data=[
                    {
                        "group": title,
                        "items": [
                            {"value": column.name, "label": column.heading}
                            for column in offered
                            if column.group == title
                        ],
                    }
                    for title in (SETTINGS, MEASURED, TRIAL)
                ],
                searchable=True,
                selectFirstOptionOnChange=True,
                comboboxProps=inside,
            ),
            html.Div(
                [
                    dmc.NumberInput(id="trials-condition-low", label="From"),
                    dmc.NumberInput(id="trials-condition-high", label="To"),
                ],
                id="trials-condition-range",
                className="trials-range",
                hidden=True,
            ),
            html.Div(
                dmc.CheckboxGroup([], id="trials-condition-values", label="Any of", value=[]),
                id="trials-condition-choice",
                hidden=True,
            ),
            html.Button("Add", id="trials-condition-add", className="plain"),
        ],
        className="trials-condition",
    )


def chips(filtered: Filter, kind: str = "trials-drop") -> list[Any]:
    """Lay out the active conditions, each with a button to remove it; the last removes all.

    ``kind`` is the type in the buttons' ids.
    """
    said = filtered.in_words()
    drops = [
        html.Button(
            [condition, " ", html.Span("×", **attributes(aria_hidden="true"))],
            id={"type": kind, "name": name},
            className="chip",
            title="Remove this condition",
            **attributes(aria_label=f"Remove: {condition}"),
        )
        for name, condition in said.items()
    ]
    everything = html.Button("Show all", id={"type": kind, "name": ""}, className="plain small")
    return [*drops, everything] if said else []


def value_choices(table: TrialTable, name: str) -> list[Any] | None:
    """Offer the values of a column to choose from; None for a column of numbers."""
    column = table.column(name)
    if not isinstance(column, Choices):
        return None
    return [
        dmc.Checkbox(label=formats.value(value), value=str(value), size="xs", radius="sm", mb=4)
        for value in column.names
    ]


def add_condition(
    filtered: Filter, name: str | None, low: End, high: End, values: Sequence[str] | None
) -> Filter:
    """Add the form's condition to the filter; an empty form changes nothing."""
    if not name:
        return filtered
    if values:
        return filtered.without(name).among(name, tuple(values))
    ends = _end(low, -np.inf), _end(high, np.inf)
    return filtered.without(name).between(name, *ends) if ends != (-np.inf, np.inf) else filtered


def _end(given: End, otherwise: float) -> float:
    if given is None or given == "":
        return otherwise
    try:
        return float(given)
    except ValueError:
        raise UsageError(f"'{given}' is not a number.") from None
