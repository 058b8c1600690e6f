"""List trials: their columns as text, and the lists that commands show."""

import math
from collections.abc import Mapping, Sequence

from sweep.analysis.usage import uses_setting
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.findings.tables import NOTHING, Cell, FindingTable, TableColumn
from sweep.store.remarks import Remarks
from sweep.store.table import Choices, TrialTable

#: Columns of every list, followed by what was searched.
_TRIAL = ("number", "state", "value", "test_mse", "psnr", "train_seconds")
_BEST = ("test_mse", "psnr", "exact_pixel_share")
_TITLES = {"number": "trial"}


def texts(table: TrialTable, name: str) -> list[str]:
    """Format a column; empty text if a trial has no such value."""
    values = table.column(name)
    if isinstance(values, Choices):
        known = [*map(formats.value, values.names), ""]  # code -1 is the last
        return [known[code] for code in values.codes]
    return ["" if math.isnan(of) else formats.value(of) for of in values.tolist()]


def cell_texts(table: TrialTable, name: str) -> list[str]:
    """Format a column for a table with headings; empty also if a trial does not use the setting."""
    column = table.column(name)
    if name in table.settings:
        shown = zip(texts(table, name), uses_setting(table, name), strict=True)
        return [text if is_used else "" for text, is_used in shown]
    if isinstance(column, Choices):
        return texts(table, name)
    known = column_named(name)
    return ["" if math.isnan(value) else formats.cell(known, value) for value in column.tolist()]


def trial_list(
    table: TrialTable, others: Sequence[str], remarks: Mapping[int, Remarks]
) -> FindingTable:
    """List the trials of a table with what was searched, other columns, and remarks."""
    names = dict.fromkeys((*_TRIAL, *others, *table.searched))
    columns = {name: cell_texts(table, name) for name in names}
    columns["state"] = [state.lower() for state in columns["state"]]
    columns["remarks"] = [
        _describe(remarks.get(number, Remarks()), bool(invalid))
        for number, invalid in zip(table.numbers.tolist(), table.invalid, strict=True)
    ]
    return _list(table, columns)


def best_list(table: TrialTable, others: Sequence[str] = ()) -> FindingTable:
    """List the best trials of a study with their objectives and what was searched."""
    values = {
        name: [
            "" if math.isnan(value) else formats.cell(column_named(name), value)
            for value in table.values[:, place].tolist()
        ]
        for place, name in enumerate(table.objectives)
    }
    names = dict.fromkeys((*_BEST, *others, *table.searched))
    rest = {name: cell_texts(table, name) for name in names if name not in values}
    return _list(table, {"number": cell_texts(table, "number"), **values, **rest})


def _list(table: TrialTable, columns: Mapping[str, Sequence[str]]) -> FindingTable:
    """Build a list whose headings are names that ``--where`` and ``--sort`` accept."""
    return FindingTable(
        title="Trials",
        columns=[
            TableColumn(name, _TITLES.get(name, name), is_number=_is_number(table, name))
            for name in columns
        ],
        rows=[[Cell(of or NOTHING) for of in row] for row in zip(*columns.values(), strict=True)],
    ).without_empty()


def _is_number(table: TrialTable, name: str) -> bool:
    return name in table.column_names and not isinstance(table.column(name), Choices)


def _describe(remarks: Remarks, is_invalid: bool) -> str:
    invalid = f"invalid: {remarks.invalid_reason or 'no reason given'}" if is_invalid else ""
    tags = " ".join(f"#{tag}" for tag in remarks.tags)
    parts = (invalid, remarks.reason, remarks.note, tags)
    return " ".join("; ".join(part for part in parts if part).split())
