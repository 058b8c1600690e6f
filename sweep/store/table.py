"""Hold a study's trials as columns, which charts, grids and filters of any size read.

Notation: K trials, M objectives. Row i of every column belongs to the same trial, and trials are in
the order of their numbers. NaN, or code -1, means that the trial has no such value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.config import DEFAULT_BASELINE, StudyBaseline
from sweep.store.records import STATES

_NO_CODE = -2

Numbers = NDArray[np.float64]  # (K,)
Mask = NDArray[np.bool_]  # (K,)


class Choices(NamedTuple):
    """A column with few distinct values."""

    codes: NDArray[np.int16]  # (K,) index into ``names``; -1 for none
    names: tuple[Any, ...]

    @classmethod
    def of(cls, values: Sequence[Any], names: Sequence[Any] | None = None) -> "Choices":
        """Encode values; None becomes -1.

        Without ``names``, they are in the order of first appearance.
        """
        known = dict.fromkeys((*(names or ()), *values))
        known.pop(None, None)
        places = {name: place for place, name in enumerate(known)}
        code = {None: -1, **places}.__getitem__
        codes = np.fromiter(map(code, values), dtype=np.int16, count=len(values))
        return cls(codes, tuple(places))

    def value(self, row: int) -> Any:
        """Return the value of a row; None for none."""
        code = self.codes[row]
        return None if code < 0 else self.names[code]

    def is_(self, name: Any) -> Mask:
        """Select the rows that have this value."""
        code = self.names.index(name) if name in self.names else _NO_CODE
        mask: Mask = self.codes == code
        return mask


Column = Numbers | Choices


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialTable:
    """The trials of a study, or some of them."""

    #: The study's revision when this was read, which every write about the study increments. A
    #: reader that finds no trial changed returns the table that it has.
    revision: int
    #: The study's objectives, all minimised; the first one's value is "the" value.
    objectives: tuple[str, ...]
    numbers: NDArray[np.int64]  # (K,)
    #: Its names are STATES.
    states: Choices
    #: As Optuna has them: PRUNED trials keep their last value.
    values: NDArray[np.float64]  # (K, M)
    #: enums.Outcome, none while unfinished.
    outcomes: Choices
    workers: Choices
    attempts: NDArray[np.int64]  # (K,)
    #: Excluded from best, sampling and analysis.
    invalid: Mask
    #: Seconds since the epoch.
    started: Numbers
    ended: Numbers
    #: By the names of METRICS.
    metrics: Mapping[str, Numbers]
    #: By the fields of config.TrialConfig, searched and fixed.
    settings: Mapping[str, Column]
    #: Settings that the sampler chose in some trial, named as in ``settings``.
    searched: tuple[str, ...]
    #: What the study's trials are compared with.
    baseline: StudyBaseline = DEFAULT_BASELINE

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def value(self) -> Numbers:
        """The first objective's value."""
        first: Numbers = self.values[:, 0]
        return first

    @property
    def counting(self) -> Mask:
        """Trials that take part in verdicts: COMPLETE, not invalid, with a finite value."""
        mask: Mask = self.states.is_("COMPLETE") & ~self.invalid & np.isfinite(self.value)
        return mask

    @property
    def is_baseline(self) -> Mask:
        """Trials that have the study's baseline configuration, whatever their state."""
        if self.baseline.number is not None:
            mask: Mask = self.numbers == self.baseline.number
            return mask
        return self.has(self.baseline.settings)

    def has(self, settings: Mapping[str, Any]) -> Mask:
        """Select the trials with these settings, whatever their others are."""
        if not settings.keys() <= self.settings.keys():
            return np.zeros(len(self), dtype=bool)
        equal = [_equal(self.settings[name], value) for name, value in settings.items()]
        mask: Mask = np.logical_and.reduce(equal)
        return mask

    def column(self, name: str) -> Column:
        """Return a column by the name that filters, axes and URLs use.

        ``number``, ``state``, ``value``, ``outcome``, ``worker``, ``attempt``, ``started``,
        ``ended``, ``invalid``, a metric or a setting. Raises KeyError for any other name.
        """
        if name in self.settings:  # hidden_width is a metric too, known only at a trial's end
            return self.settings[name]
        if name in self.metrics:
            return self.metrics[name]
        return _COLUMNS[name](self)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return every name that ``column`` accepts."""
        return tuple(dict.fromkeys((*_COLUMNS, *self.metrics, *self.settings)))

    def where(self, rows: Mask | NDArray[np.intp]) -> "TrialTable":
        """Return the rows that a mask or an array of indices selects."""
        chosen = {field.name: _rows(getattr(self, field.name), rows) for field in fields(self)}
        return replace(self, **chosen)

    def rows_of(self, numbers: Sequence[int]) -> NDArray[np.intp]:
        """Return the rows of trials that are in the table, in the order of ``numbers``."""
        return np.searchsorted(self.numbers, np.asarray(numbers, dtype=np.int64))

    def row_of(self, number: int) -> int | None:
        """Return the row of a trial; None if it is not in the table."""
        row = int(np.searchsorted(self.numbers, number))
        return row if row < len(self) and self.numbers[row] == number else None


_COLUMNS: Mapping[str, Callable[[TrialTable], Column]] = {
    "number": lambda table: table.numbers.astype(np.float64),
    "state": lambda table: table.states,
    "value": lambda table: table.value,
    "outcome": lambda table: table.outcomes,
    "worker": lambda table: table.workers,
    "attempt": lambda table: table.attempts.astype(np.float64),
    "started": lambda table: table.started,
    "ended": lambda table: table.ended,
    "invalid": lambda table: Choices(table.invalid.astype(np.int16), (False, True)),
}


def varies(column: Column) -> bool:
    """Tell whether a column has several values; numbers that are missing do not count."""
    values = column.codes if isinstance(column, Choices) else column[np.isfinite(column)]
    return bool((values != values[:1]).any())


def _equal(column: Column, value: Any) -> Mask:
    mask: Mask = column.is_(value) if isinstance(column, Choices) else column == value
    return mask


def _rows(of: Any, mask: Mask | NDArray[np.intp]) -> Any:
    match of:
        case np.ndarray():
            return of[mask]
        case Choices():
            return Choices(of.codes[mask], of.names)
        case Mapping():
            return {name: _rows(column, mask) for name, column in of.items()}
    return of


def merge(old: TrialTable, new: TrialTable) -> TrialTable:
    """Merge two tables; where both have a trial, take the new table's.

    Existing codes do not change.
    """
    numbers = np.union1d(old.numbers, new.numbers)
    at_old: Any = slice(len(old))  # if all new trials come after the old ones, copying is fastest
    if not np.array_equal(numbers[at_old], old.numbers):
        at_old = np.searchsorted(numbers, old.numbers)
    at_new = np.searchsorted(numbers, new.numbers)

    def both(old: Any, new: Any) -> Any:
        match old:
            case np.ndarray():
                column = np.empty((len(numbers), *old.shape[1:]), dtype=old.dtype)
                column[at_old] = old
                column[at_new] = new
                return column
            case Choices():
                names = tuple(dict.fromkeys((*old.names, *new.names)))
                places = np.array([*map(names.index, new.names), -1], dtype=np.int16)
                return Choices(both(old.codes, places[new.codes]), names)  # -1 takes the last entry
            case Mapping():
                return {name: both(old[name], new[name]) for name in old}
        return new

    columns = {of.name: both(getattr(old, of.name), getattr(new, of.name)) for of in fields(old)}
    return replace(new, **columns)


def states_of(names: Sequence[str]) -> Choices:
    """Build the column of states."""
    return Choices.of(names, STATES)
