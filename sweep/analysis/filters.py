"""Filter trials: one syntax for commands, the grid, brushed charts and addresses.

Example: ``hidden_width:32..64;activation:relu,tanh;val_mse:..0.01``. Each column of a TrialTable
has a range (either end may be open) or a list of wanted values. All conditions must hold.
"""

import difflib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import quote, unquote

import numpy as np

from sweep.catalogue import formats
from sweep.catalogue.columns import SHORT_NAMES, column_named
from sweep.errors import UsageError
from sweep.store.table import Choices, Column, Mask, TrialTable

Range = tuple[float, float]

#: Maximum length of a filter, typed or in an address.
FILTER_LETTERS = 4_000

_OPEN = (-np.inf, np.inf)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Conditions on the columns of a table, by their names."""

    #: Lowest and highest accepted value; infinite if open.
    ranges: Mapping[str, Range] = field(default_factory=dict)
    #: Accepted values, as text.
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.ranges or self.choices)

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Parse an address's filter. Raises UsageError with the invalid part."""
        ranges: dict[str, Range] = {}
        choices: dict[str, tuple[str, ...]] = {}
        for part in filter(None, short_enough(text or "").split(";")):
            name, colon, wanted = part.partition(":")
            if not (name and colon and wanted):
                raise UsageError(f"where: '{part}' is not a condition. Write column:low..high.")
            if ".." in wanted:
                ranges[name] = _range(part, *wanted.split("..", 1))
            else:
                choices[name] = tuple(unquote(value) for value in wanted.split(","))
        return cls(ranges=ranges, choices=choices)

    def __str__(self) -> str:
        parts = [f"{name}:{_end(low)}..{_end(high)}" for name, (low, high) in self.ranges.items()]
        for name, wanted in self.choices.items():
            parts.append(f"{name}:{','.join(map(_quote, wanted))}")
        return ";".join(parts)

    def between(self, name: str, low: float = -np.inf, high: float = np.inf) -> "Filter":
        """Set the range of a column; an open one removes the condition."""
        others = {key: span for key, span in self.ranges.items() if key != name}
        ranges = others if (low, high) == _OPEN else {**others, name: (low, high)}
        return replace(self, ranges=ranges)

    def among(self, name: str, values: tuple[str, ...]) -> "Filter":
        """Set the accepted values of a column; none removes the condition."""
        others = {key: wanted for key, wanted in self.choices.items() if key != name}
        return replace(self, choices={**others, name: values} if values else others)

    def without(self, name: str) -> "Filter":
        """Remove every condition on a column."""
        return self.between(name).among(name, ())

    def only(self, names: Set[str]) -> "Filter":
        """Keep the conditions on these columns alone."""
        return Filter(
            ranges={name: span for name, span in self.ranges.items() if name in names},
            choices={name: wanted for name, wanted in self.choices.items() if name in names},
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns with a condition."""
        return (*self.ranges, *self.choices)

    def mask(self, table: TrialTable) -> Mask:
        """Select the trials that meet every condition. Raises UsageError for an unknown column."""
        mask = np.ones(len(table), dtype=bool)
        for name, (low, high) in self.ranges.items():
            column = find_column(table, name)[1]
            if isinstance(column, Choices):
                raise UsageError(f"where: {name} has no range. Write {name}:value,value.")
            mask &= (column >= low) & (column <= high)
        for name, wanted in self.choices.items():
            mask &= _among(find_column(table, name)[1], wanted)
        return mask

    def apply(self, table: TrialTable) -> TrialTable:
        """Return the trials that meet every condition, as a table."""
        return table.where(self.mask(table)) if self else table

    def in_words(self) -> dict[str, str]:
        """Word each condition, by the name of its column."""
        said = {name: _range_in_words(name, *span) for name, span in self.ranges.items()}
        for name, wanted in self.choices.items():
            said[name] = f"{column_named(name).title} {' or '.join(wanted)}"
        return said


def short_enough(text: str) -> str:
    """Return the text of a filter. Raises UsageError if it is too long."""
    if len(text) > FILTER_LETTERS:
        raise UsageError(
            f"a filter has at most {FILTER_LETTERS:,} letters; this one has {len(text):,}."
        )
    return text


def _range(part: str, low: str, high: str) -> Range:
    try:
        return float(low or "-inf"), float(high or "inf")
    except ValueError:
        raise UsageError(f"where: '{part}': both ends of a range are numbers.") from None


def _quote(value: str) -> str:
    quoted = quote(value, safe="")
    return quoted.replace(".", "%2E") if ".." in quoted else quoted  # ".." is a range


def _end(value: float) -> str:
    # In full: a rounded end would exclude the trial that it was taken from.
    return repr(float(value)).removesuffix(".0") if np.isfinite(value) else ""


def _range_in_words(name: str, low: float, high: float) -> str:
    label = _label(name)
    if not np.isfinite(low):
        return f"{label} ≤ {_number(name, high)}"
    if not np.isfinite(high):
        return f"{label} ≥ {_number(name, low)}"
    return f"{label} {_number(name, low)} to {_number(name, high)}"


def _label(name: str) -> str:
    """Return the title without the unit."""
    return column_named(name).title


def _number(name: str, value: float) -> str:
    if name not in ("started", "ended"):
        return formats.value(value) if value.is_integer() else formats.number(value)
    try:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return formats.number(value)


def find_column(table: TrialTable, name: str, option: str = "where") -> tuple[str, Column]:
    """Find a column by its name, title, heading or short name. Raises UsageError for others."""
    known = spellings(table)
    found = name if name in table.column_names else known.get(name.lower())
    if found is None:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f" Did you mean '{known[near[0]]}'?" if near else ""
        listed = ", ".join(table.column_names)
        raise UsageError(f"{option}: unknown column '{name}'.{hint} Known: {listed}.")
    return found, table.column(found)


def spellings(table: TrialTable) -> dict[str, str]:
    """Map what people write for the columns of a table, in lower case, to the columns' names."""
    found: dict[str, str] = {}
    for name in table.column_names:
        column = column_named(name)
        found |= {column.title.lower(): name, column.heading.lower(): name, name: name}
    short = {of: name for of, name in SHORT_NAMES.items() if name in table.column_names}
    return short | found


def _among(column: Any, wanted: tuple[str, ...]) -> Mask:
    if isinstance(column, Choices):
        codes = [code for code, name in enumerate(column.names) if str(name) in wanted]
        return np.isin(column.codes, codes)
    try:
        return np.isin(column, [float(value) for value in wanted])
    except ValueError:
        raise UsageError(f"where: '{','.join(wanted)}': this column holds numbers.") from None
