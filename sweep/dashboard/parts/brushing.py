"""Convert brushes to conditions: a box on a chart, or ranges on parallel axes.

A side of a chart is a column; "as drawn" is the position of its values on the axis (words by their
index, times as seconds after the first). All functions return a new Filter.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import FiniteFloat

from sweep.analysis.filters import Filter
from sweep.catalogue import formats
from sweep.figures.axes import SCATTER, Axis
from sweep.figures.figure import Side
from sweep.figures.parallel import Dimension
from sweep.store.table import Choices, TrialTable

Span = tuple[FiniteFloat, FiniteFloat]


def narrow_to_box(where: Filter, table: TrialTable, *sides: tuple[Side, Span | None]) -> Filter:
    """Narrow the filter to a box, replacing the columns' previous conditions.

    A span is as drawn; None removes the condition.
    """
    for side, span in sides:
        where = _narrow(where.without(side.column), table, side, span)
    return where


def _narrow(where: Filter, table: TrialTable, side: Side, span: Span | None) -> Filter:
    if not span:
        return where
    column, axis = table.column(side.column), side.axis
    if isinstance(column, Choices):
        chosen = _words_at(column, axis.names if axis else side.names, span)
        return where.among(side.column, () if len(chosen) == len(column.names) else chosen)
    low, high = sorted(float(end) + side.offset for end in span)
    if axis is not None and axis.single:
        held = _single_at(axis, (low, high), in_cells=side.in_cells)
        if not held.size:
            return where
        low, high = float(held.min()), float(held.max())
    return _between(where, table, side.column, low, high)


def _words_at(column: Choices, names: Sequence[str], span: Span) -> tuple[str, ...]:
    """Return the words in a span of indices, as filters write them."""
    said = {formats.value(name): str(name) for name in column.names}
    low, high = sorted(float(end) for end in span)
    held = [name for at, name in enumerate(names) if low - SCATTER <= at <= high + SCATTER]
    return tuple(said[name] for name in held)


def _single_at(axis: Axis, span: Span, *, in_cells: bool) -> NDArray[np.float64]:
    """Select the values of an axis with few values that a span covers."""
    places = np.arange(len(axis.few)) if in_cells else axis.to_scale(axis.few)
    low, high = span if in_cells else axis.to_scale(np.array(span))
    gap = float(np.diff(places).min()) if len(places) > 1 else 1.0
    reach = SCATTER * gap
    return axis.few[(places >= low - reach) & (places <= high + reach)]


def _between(where: Filter, table: TrialTable, name: str, low: float, high: float) -> Filter:
    """Narrow a column to a rounded range; an end beyond all trials is left open."""
    column = table.column(name)
    assert not isinstance(column, Choices)
    finite = column[np.isfinite(column)]
    if not finite.size:
        return where
    low = -np.inf if low <= finite.min() else _round(name, low)
    high = np.inf if high >= finite.max() else _round(name, high)
    return where.between(name, low, high)


def _round(name: str, value: float) -> float:
    return float(round(value)) if name in _IN_FULL else float(f"{value:.4g}")


#: Columns for which four digits are too few.
_IN_FULL = ("number", "started", "ended")


def narrow_to_ranges(
    where: Filter,
    table: TrialTable,
    dimensions: Sequence[Dimension],
    ranges: Mapping[str, Sequence[Span]],
) -> Filter:
    """Narrow the filter to the ranges that are brushed on parallel axes, as drawn, by column."""
    for dimension in dimensions:
        where = where.without(dimension.name)
        spans = ranges.get(dimension.name)
        if not spans:
            continue
        if dimension.choices is not None:
            chosen = _find_reached(dimension.choices, spans)
            where = where.among(dimension.name, chosen)
        else:
            low, high = (_as_number(dimension, end) for end in spans[0])
            where = _between(where, table, dimension.name, low, high)
    return where


def _find_reached(choices: Sequence[str], spans: Sequence[Span]) -> tuple[str, ...]:
    chosen = [
        word
        for place, word in enumerate(choices)
        if any(low <= place <= high for low, high in spans)
    ]
    return () if len(chosen) == len(choices) else tuple(chosen)


def _as_number(dimension: Dimension, drawn: float) -> float:
    return float(drawn) if dimension.base is None else float(dimension.base) ** drawn
