"""Define the columns of the grid of trials: their headings and cells.

Notation: K trials. Columns are named as in the TrialTable; tags, notes and reasons, which are not
in the table, are read for the shown rows.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from sweep.catalogue.columns import column_named
from sweep.catalogue.metrics import METRICS
from sweep.dashboard.parts import states
from sweep.findings.trial_list import cell_texts
from sweep.store.remarks import Remarks
from sweep.store.table import Choices, TrialTable


class GridColumn(NamedTuple):
    """A column that the grid can show."""

    name: str
    heading: str
    #: The group under which it is offered.
    group: str
    #: Whether cells are numbers, aligned to the right.
    is_number: bool
    #: Whether trials can be sorted and filtered by it.
    is_in_table: bool = True


TRIAL, MEASURED, SETTINGS = "Trial", "Measured", "Settings"

#: What people write about a trial, and why it ended.
WRITTEN: Mapping[str, Callable[[Remarks], str]] = {
    "tags": lambda remarks: ", ".join(remarks.tags),
    "note": lambda remarks: remarks.note or "",
    "reason": lambda remarks: remarks.reason or remarks.invalid_reason or "",
}

_OF_TRIAL = ("number", "state", "worker", "attempt", "started", "ended")


def columns_of(table: TrialTable) -> dict[str, GridColumn]:
    """Return every column that the grid can show, by name, in the offered order."""
    settings = dict.fromkeys(("hidden_width", *table.searched, *table.settings))
    known = [name for name in settings if name in table.settings]
    measured = ("value", *(name for name in METRICS if name not in table.settings))
    found = [
        *(_column(table, name, TRIAL) for name in _OF_TRIAL),
        *(GridColumn(name, column_named(name).heading, TRIAL, False, False) for name in WRITTEN),
        *(_column(table, name, MEASURED) for name in measured),
        *(_column(table, name, SETTINGS) for name in known),
    ]
    return {column.name: column for column in found}


def _column(table: TrialTable, name: str, group: str) -> GridColumn:
    is_number = not isinstance(table.column(name), Choices) and name not in ("started", "ended")
    return GridColumn(name, column_named(name).heading, group, is_number)


def default_columns(table: TrialTable) -> list[str]:
    """List the initial columns: objectives, searched settings, the essential measurements."""
    wanted = (
        *("number", "state", *table.objectives, "test_mse", "hidden_width", *table.searched),
        *(metric.name for metric in METRICS.values() if metric.is_essential),
        *("worker", "tags", "note"),
    )
    known = columns_of(table)
    return [name for name in dict.fromkeys(wanted) if name in known]


def texts(table: TrialTable, name: str, written: Mapping[int, Remarks]) -> list[str]:
    """Format the cells of a column; ``written`` has the rows of WRITTEN columns."""
    if name in WRITTEN:
        return [WRITTEN[name](written.get(number, Remarks())) for number in table.numbers.tolist()]
    if name == "state":
        return states.texts(table)
    return cell_texts(table, name)


def plain(table: TrialTable, name: str, written: Mapping[int, Remarks]) -> Sequence[Any]:
    """Return a column's cells for programs: integers, no units, None for missing values."""
    if name in WRITTEN:
        return texts(table, name, written)
    column = table.column(name)
    if isinstance(column, Choices):
        return [column.value(row) for row in range(len(table))]
    if name in ("started", "ended"):
        return [_iso(seconds) for seconds in column.tolist()]
    return [_shortest(value) for value in column.tolist()]


def _iso(seconds: float) -> str | None:
    return None if np.isnan(seconds) else datetime.fromtimestamp(seconds, UTC).isoformat()


def _shortest(value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
