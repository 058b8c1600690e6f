"""Define tables of findings, whose cells have a text for people and the underlying value."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

#: Text of a cell without a value.
NOTHING = "–"


class TableColumn(NamedTuple):
    """A column of a table of findings."""

    #: Key in JSON.
    name: str
    #: Heading; empty above row labels.
    title: str
    is_number: bool = False
    #: Whether values are names. A terminal shows settings and metrics as commands accept them.
    is_name: bool = False


class Cell(NamedTuple):
    """The content of a row in one column."""

    text: str = NOTHING
    #: For JSON; None if unknown.
    value: Any = None
    #: Number of the trial that the cell names, for a link.
    trial: int | None = None
    #: Numbers that the text begins with, separated by commas, for links.
    trials: Sequence[int] = ()
    #: Below the text.
    detail: str = ""
    #: What the text says of 1, for a bar.
    share: float | None = None
    #: The moment that the text says, which pages show as how long ago it is; after ``late_after``
    #: seconds it is marked.
    at: datetime | None = None
    late_after: int | None = None
    #: Lines that a page unfolds: a text with a remark is a warning.
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class FindingTable:
    """A table that the faces render unchanged."""

    title: str
    columns: Sequence[TableColumn]
    #: One cell per column.
    rows: Sequence[Sequence[Cell]]
    #: Sentences below it; for an empty table, how to fill it. May be empty.
    note: str = ""

    @property
    def has_headings(self) -> bool:
        """Whether any column has a heading; otherwise rows are labels with values."""
        return any(column.title for column in self.columns)

    def __bool__(self) -> bool:
        """Return whether it has a row."""
        return bool(self.rows)

    def without(self, *names: str) -> "FindingTable":
        """Remove columns."""
        kept = [place for place, column in enumerate(self.columns) if column.name not in names]
        return replace(
            self,
            columns=[self.columns[place] for place in kept],
            rows=[[row[place] for place in kept] for row in self.rows],
        )

    def without_empty(self) -> "FindingTable":
        """Remove columns whose cells are all empty."""
        texts = zip(*([cell.detail or cell.text for cell in row] for row in self.rows), strict=True)
        columns = zip(self.columns, texts, strict=True) if self else ()
        return self.without(*(of.name for of, said in columns if {*said} <= {"", NOTHING}))

    def without_constant(self) -> tuple["FindingTable", dict[str, str]]:
        """Remove columns that are the same in all of several rows; also return their values."""
        first = self.rows[0] if len(self.rows) > 1 else ()
        same = {
            column.name: cell.text
            for place, (column, cell) in enumerate(zip(self.columns, first, strict=bool(first)))
            if place and all(row[place].text == cell.text for row in self.rows)
        }
        return self.without(*same), same

    def records(self) -> list[dict[str, Any]]:
        """Return values by the names of the columns, one record per row, for JSON."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, (cell.value for cell in row), strict=True)) for row in self.rows]
