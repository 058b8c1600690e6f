"""The columns of the grid of trials: their headings, and what stands in their cells.

Notation: K trials. A column goes by its name in the TrialTable; tags, notes and reasons, which no
table holds, are read for the rows that are shown.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from sweep.analysis.usage import used
from sweep.dashboard.parts import states
from sweep.figures import words
from sweep.store.annotations import Remarks
from sweep.store.records import METRICS
from sweep.store.table import Choices, Numbers, TrialTable


class GridColumn(NamedTuple):
    """A column that the grid can show."""

    name: str
    heading: str
    #: The group that it stands under where columns are chosen.
    group: str
    #: Numbers stand to the right.
    is_number: bool
    #: Trials can be ordered and filtered by it.
    is_in_table: bool = True


TRIAL, MEASURED, SETTINGS = "Trial", "Measured", "Settings"

#: What people write about a trial, and why it ended.
WRITTEN: Mapping[str, Callable[[Remarks], str]] = {
    "tags": lambda remarks: ", ".join(remarks.tags),
    "note": lambda remarks: remarks.note or "",
    "reason": lambda remarks: remarks.reason or "",
}

_HEADINGS: Mapping[str, str] = {
    "number": "Trial",
    "value": "Value",
    "val_mse": "Validation error",
    "val_mse_std": "± validation",
    "test_mse": "Test error",
    "test_mse_std": "± test",
    "test_bce": "Test BCE (nats)",
    "psnr": "PSNR (dB)",
    "exact_pixels": "Exact pixels",
    "n_parameters": "Parameters",
    "train_seconds": "Training (s)",
    "started": "Started (UTC)",
    "ended": "Ended (UTC)",
}

_OF_TRIAL = ("number", "state", "worker", "attempt", "started", "ended")


def heading(name: str) -> str:
    """A column's name as its heading."""
    plain = words.setting(name)
    first = plain[:1] if plain[:1] > "z" else plain[:1].upper()  # β₁ is not B₁
    return _HEADINGS.get(name, first + plain[1:])


def columns_of(table: TrialTable) -> dict[str, GridColumn]:
    """Every column that the grid can show, by name, in the order in which they are offered."""
    settings = dict.fromkeys(("hidden_width", *table.searched, *table.settings))
    known = [name for name in settings if name in table.settings]
    measured = ("value", *(name for name in METRICS if name not in table.settings))
    found = [
        *(_column(table, name, TRIAL) for name in _OF_TRIAL),
        *(GridColumn(name, heading(name), TRIAL, False, False) for name in WRITTEN),
        *(_column(table, name, MEASURED) for name in measured),
        *(_column(table, name, SETTINGS) for name in known),
    ]
    return {column.name: column for column in found}


def _column(table: TrialTable, name: str, group: str) -> GridColumn:
    is_number = not isinstance(table.column(name), Choices) and name not in ("started", "ended")
    return GridColumn(name, heading(name), group, is_number)


def default_columns(table: TrialTable) -> list[str]:
    """What a grid shows at first: objectives, what was searched, the measured essentials."""
    wanted = (
        *("number", "state", *table.objectives, "test_mse", "hidden_width", *table.searched),
        *("psnr", "exact_pixels", "train_seconds", "worker", "tags", "note"),
    )
    known = columns_of(table)
    return [name for name in dict.fromkeys(wanted) if name in known]


def texts(table: TrialTable, name: str, written: Mapping[int, Remarks]) -> list[str]:
    """What stands in the cells of a column; ``written`` has the rows of WRITTEN columns."""
    if name in WRITTEN:
        return [WRITTEN[name](written.get(number, Remarks())) for number in table.numbers.tolist()]
    if name == "state":
        return states.texts(table)
    column = table.column(name)
    if name in table.settings:
        shown = zip(words.texts(table, name), used(table, name), strict=True)
        return [text if is_used else "" for text, is_used in shown]
    if isinstance(column, Choices):
        return words.texts(table, name)
    return _numbers(name, column)


def _numbers(name: str, column: Numbers) -> list[str]:
    write = _WRITERS.get(name, _number)
    return ["" if np.isnan(value) else write(value) for value in column.tolist()]


def _number(value: float) -> str:
    return words.number(value, 4)


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


_WRITERS: Mapping[str, Callable[[float], str]] = {
    "number": lambda value: f"{value:.0f}",
    "attempt": _whole,
    "n_parameters": _whole,
    "exact_pixels": lambda value: words.percent(value, 1),
    "train_seconds": lambda value: words.number(value, 3),
    "started": _moment,
    "ended": _moment,
}


def plain(table: TrialTable, name: str, written: Mapping[int, Remarks]) -> Sequence[Any]:
    """The cells of a column as a program reads them: whole numbers, no units, None for none."""
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
