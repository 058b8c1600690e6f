"""Select the rows of the grid of trials, in order, a block at a time; or all as CSV.

Notation: K trials in the table, n of them shown.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sweep.analysis.filters import Filter
from sweep.dashboard.parts import grid_columns, states
from sweep.dashboard.parts.grid_columns import WRITTEN
from sweep.figures.spreadsheet import csv_text
from sweep.findings.selection import Rows, ordered_rows, parse_sort
from sweep.store.remarks import Remarks
from sweep.store.table import TrialTable

#: Reads what people wrote about trials, by number.
Read = Callable[[Sequence[int]], Mapping[int, Remarks]]

#: The latest requested orders of each table; they are dropped with the table.
_ORDERS: "WeakKeyDictionary[TrialTable, dict[tuple[str, str], Rows]]" = WeakKeyDictionary()
_MAX_ORDERS = 16
_CSV_LINES = 2000


def shown_rows(table: TrialTable, where: str = "", sort: str = "") -> Rows:
    """Select the rows that meet the filter, in order; those without the sorted value come last.

    Raises UsageError for an unknown column.
    """
    orders = _ORDERS.setdefault(table, {})
    rows = orders.get((where, sort))
    if rows is None:
        rows = np.flatnonzero(Filter.parse(where).mask(table))
        rows = rows[ordered_rows(table.where(rows), parse_sort(sort))]
        if len(orders) >= _MAX_ORDERS:
            orders.clear()  # other threads keep the rows that they found
        orders[where, sort] = rows
    return rows


def block(
    table: TrialTable, rows: Rows, columns: Sequence[str], read: Read
) -> list[dict[str, Any]]:
    """Convert rows to the grid's records: text by column, and what its renderers need."""
    part = table.where(rows)
    written = _read_written(part, columns, read)
    cells = {name: grid_columns.texts(part, name, written) for name in columns}
    cells["number"] = [str(number) for number in part.numbers.tolist()]
    kinds = [
        states.kind(str(part.states.value(row)), part.outcomes.value(row)).lower()
        for row in range(len(part))
    ]
    return [
        dict(zip(cells, of_row, strict=True)) | {"kind": kind, "invalid": bool(invalid)}
        for of_row, kind, invalid in zip(
            zip(*cells.values(), strict=True), kinds, part.invalid, strict=True
        )
    ]


def _read_written(part: TrialTable, columns: Sequence[str], read: Read) -> Mapping[int, Remarks]:
    if not WRITTEN.keys() & set(columns) or not len(part):
        return {}
    return read(part.numbers.tolist())


def csv_lines(table: TrialTable, rows: Rows, columns: Sequence[str], read: Read) -> Iterator[str]:
    """Write the rows as CSV, some thousand lines at a time."""
    yield csv_text([columns])
    for first in range(0, len(rows), _CSV_LINES):
        part = table.where(rows[first : first + _CSV_LINES])
        written = _read_written(part, columns, read)
        cells = [grid_columns.plain(part, name, written) for name in columns]
        yield csv_text(zip(*cells, strict=True))
