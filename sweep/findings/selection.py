"""Choose which trials are listed, in which order, for commands and the grid of a page.

Notation: K trials in the table, n of them shown.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.filters import find_column
from sweep.catalogue import formats
from sweep.catalogue.settings import SETTINGS
from sweep.store.records import STATES
from sweep.store.table import Choices, Numbers, TrialTable

Rows = NDArray[np.intp]  # (n,)


class Sort(NamedTuple):
    """A column that trials are sorted by."""

    name: str
    descending: bool


def parse_sort(text: str | None) -> list[Sort]:
    """Parse an order: ``activation,-value`` is by activation, then highest value first.

    A repeated column has no effect.
    """
    found: dict[str, Sort] = {}
    for part in (text or "").split(","):
        if name := part.strip().lstrip("-"):
            found.setdefault(name, Sort(name, part.strip().startswith("-")))
    return [*found.values()]


def ordered_rows(table: TrialTable, sort: Sequence[Sort]) -> Rows:
    """Return the rows in order; those without the sorted value come last.

    Raises UsageError for an unknown column.
    """
    keys = [_key(table, by) for by in reversed(sort)]
    # Ties are in the order of the rows, which is that of the numbers.
    return np.lexsort(keys) if keys else np.arange(len(table))


def _key(table: TrialTable, by: Sort) -> Numbers:
    name, column = find_column(table, by.name, "sort")
    values = word_places(name, column)[0] if isinstance(column, Choices) else column
    values = np.where(np.isfinite(values), values, np.nan)  # NaN sorts to the end
    return -values if by.descending else values


def word_places(name: str, column: Choices) -> tuple[Numbers, tuple[str, ...]]:
    """Return each row's rank among the occurring words, and the words in order.

    The product's own names are in the order of their definition, others are alphabetical.
    """
    present = set(np.unique(column.codes[column.codes >= 0]).tolist())
    order: Sequence[str] = STATES if name == "state" else ()
    if name in SETTINGS:
        order = SETTINGS[name].choices
    codes = sorted(
        present,
        key=lambda code: (
            order.index(column.names[code]) if column.names[code] in order else len(order),
            formats.value(column.names[code]),
        ),
    )
    places = np.full(len(column.names) + 1, np.nan)  # code -1 is the last
    places[codes] = np.arange(len(codes))
    return places[column.codes], tuple(formats.value(column.names[code]) for code in codes)
