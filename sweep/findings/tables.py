"""Tables of findings: each cell with the text that people read and the value behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

#: Text of a cell without a value.
NOTHING = "–"


class TableColumn(NamedTuple):
    """A column of a table of findings."""

    #: Key in JSON.
    name: str
    #: Heading; empty above the labels of rows.
    title: str
    is_number: bool = False
    #: Values are names. A terminal shows those of settings and metrics, as commands take them.
    is_name: bool = False


class Cell(NamedTuple):
    """What a row says in a column."""

    text: str = NOTHING
    #: For JSON; None where nothing is known.
    value: Any = None
    #: Number of the trial that the cell names, for a link.
    trial: int | None = None
    #: Numbers that the text begins with, joined by commas, for links.
    trials: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class FindingTable:
    """A table that the faces lay out as it is."""

    title: str
    columns: Sequence[TableColumn]
    #: One cell a column.
    rows: Sequence[Sequence[Cell]]
    #: Sentences under it; of a table without rows, what would fill it. May be empty.
    note: str = ""

    @property
    def has_headings(self) -> bool:
        """Whether any column has a heading; otherwise rows are labels with what they stand for."""
        return any(column.title for column in self.columns)

    def __bool__(self) -> bool:
        """Tell whether it has a row."""
        return bool(self.rows)

    def without(self, *names: str) -> "FindingTable":
        """Leave columns out."""
        kept = [place for place, column in enumerate(self.columns) if column.name not in names]
        return replace(
            self,
            columns=[self.columns[place] for place in kept],
            rows=[[row[place] for place in kept] for row in self.rows],
        )

    def without_empty(self) -> "FindingTable":
        """Leave columns out in which no row says anything."""
        texts = zip(*([cell.text for cell in row] for row in self.rows), strict=True)
        columns = zip(self.columns, texts, strict=True) if self else ()
        return self.without(*(of.name for of, said in columns if {*said} <= {"", NOTHING}))

    def without_constant(self) -> tuple["FindingTable", dict[str, str]]:
        """Leave out columns in which all of several rows say the same; also what they say."""
        first = self.rows[0] if len(self.rows) > 1 else ()
        same = {
            column.name: cell.text
            for place, (column, cell) in enumerate(zip(self.columns, first, strict=bool(first)))
            if place and all(row[place].text == cell.text for row in self.rows)
        }
        return self.without(*same), same

    def records(self) -> list[dict[str, Any]]:
        """Values by the names of the columns, one record a row, for JSON."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, (cell.value for cell in row), strict=True)) for row in self.rows]
