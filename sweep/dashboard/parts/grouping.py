"""Group trials by a parameter: how many, how good the best, how good the rest.

Notation: C groups.
"""

from typing import NamedTuple

import numpy as np

from sweep.analysis.filters import Filter
from sweep.analysis.usage import uses_setting
from sweep.figures.axes import Axis, axis_of, cells_of
from sweep.figures.groups import group
from sweep.store.table import Choices, TrialTable, varies

#: Intervals that a numeric setting is divided into.
N_STRETCHES = 8


class Group(NamedTuple):
    """Trials that share a value, or an interval of values, of a parameter."""

    text: str
    #: The filter that shows only this group.
    where: str
    n_trials: int
    #: COMPLETE, valid and finite trials, to which the rest refers; NaN (number -1) without any.
    n_counting: int
    best: float
    best_number: int
    median: float
    #: Bounds of the middle 80 %.
    low: float
    high: float


def groupable(table: TrialTable) -> list[str]:
    """List useful columns for grouping: those that differ between trials, searched ones first."""
    names = dict.fromkeys((*table.searched, *table.settings, "state", "worker"))
    return [name for name in names if varies(table.column(name))]


def group_by(table: TrialTable, name: str, filtered: Filter) -> list[Group]:
    """Group the trials that pass the filter. Raises KeyError for an unknown column."""
    shown = filtered.apply(table)
    if name in shown.settings:
        shown = shown.where(uses_setting(shown, name))
    axis = axis_of(shown, name)
    cells = cells_of(axis, N_STRETCHES)
    counts = np.bincount(cells.places[cells.places >= 0], minlength=cells.n)
    counting = shown.counting & (cells.places >= 0)
    found = group(cells.places[counting], shown.value[counting], shown.numbers[counting], cells.n)
    narrowed = _raw_names(shown, axis) if cells.single else []
    return [
        Group(
            text=cells.texts[place],
            where=str(
                filtered.without(name).among(name, (narrowed[place],))
                if cells.single
                else _narrow(filtered, axis, cells.edges, place)
            ),
            n_trials=int(counts[place]),
            n_counting=int(found.counts[place]),
            best=float(found.best[place]),
            best_number=int(found.best_numbers[place]),
            median=float(found.median[place]),
            low=float(found.low[place]),
            high=float(found.high[place]),
        )
        for place in np.flatnonzero(counts).tolist()
    ]


def _raw_names(table: TrialTable, axis: Axis) -> list[str]:
    """Return the filter's spelling of each single value of the axis."""
    column = table.column(axis.name)
    if not isinstance(column, Choices):
        return [repr(value) for value in axis.points.tolist()]
    rows = [int(np.argmax(axis.values == place)) for place in axis.points]
    return [str(column.value(row)) for row in rows]


def _narrow(
    filtered: Filter, axis: Axis, edges: np.ndarray[tuple[int], np.dtype[np.float64]], place: int
) -> Filter:
    """Narrow the filter to one interval. Its outer ends stay: rounding must lose no trial."""
    low, high = filtered.ranges.get(axis.name, (-np.inf, np.inf))
    if place > 0:
        low = float(np.ceil(edges[place])) if axis.whole else float(edges[place])
    if place < len(edges) - 2:
        high = float(np.floor(edges[place + 1])) if axis.whole else float(edges[place + 1])
    return filtered.without(axis.name).between(axis.name, low, high)
