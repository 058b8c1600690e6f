"""Turn any column of a table into a chart axis: title, scale, ticks, and cells.

Notation: K trials, C cells. "As drawn": numbers unchanged, words by their index, NaN for none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.usage import uses_setting
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.config import TrialConfig
from sweep.figures import style
from sweep.findings.selection import word_places
from sweep.store.table import Choices, Column, Mask, Numbers, TrialTable

#: The mark of the best trial.
STAR: Mapping[str, Any] = {
    "symbol": "star",
    "size": 15,
    "color": style.VERMILLION,
    "line": {"color": "rgba(255, 255, 255, 0.85)", "width": 0.8},
}
#: From best to worst, on any background.
ERROR_SCALE = (style.BLUE, "#9AA0A8", style.ORANGE)

Kind = Literal["log", "linear", "words"]

#: Maximum number of distinct values that count as few.
FEW = 12
#: Maximum number of words that have cells.
MAX_WORDS = 40
#: How far the marks of one value scatter to either side, in distances between neighbours.
SCATTER = 0.3
#: Maximum number of ticks for single values.
_MAX_TICKS = 9

_SETTINGS = tuple(field.name for field in fields(TrialConfig))
_TIMES = ("started", "ended")


class Axis(NamedTuple):
    """A column along one side of a chart."""

    name: str
    #: With units.
    title: str
    kind: Kind
    values: Numbers  # (K,) as drawn
    #: Factor between the ticks of a logarithmic axis; 10 for others.
    base: int
    #: The words by index; empty for numbers.
    names: tuple[str, ...]
    #: Whether every number is an integer.
    whole: bool
    #: The distinct numbers or indices if they are few; else empty.
    few: NDArray[np.float64]

    @property
    def heading(self) -> str:
        """The title without units."""
        return self.title.split(" (")[0]

    @property
    def plain(self) -> str:
        """The heading in lower case, for a sentence."""
        first, rest = self.heading[:1], self.heading[1:]
        return first + rest if rest[:1].isupper() else first.lower() + rest

    @property
    def single(self) -> bool:
        """Whether its values are few: each has its own strip or row of cells."""
        return self.kind == "words" or len(self.few) > 0

    @property
    def points(self) -> NDArray[np.float64]:
        """The few values, as drawn."""
        return np.arange(len(self.names), dtype=np.float64) if self.kind == "words" else self.few

    def to_scale(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert values as drawn to a scale on which equal distances look equal."""
        return np.log(values) / math.log(self.base) if self.kind == "log" else values

    def from_scale(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Invert ``scaled``."""
        return np.power(float(self.base), values) if self.kind == "log" else values

    def text(self, value: float) -> str:
        """Format the value at a position of the axis."""
        return self.names[round(value)] if self.kind == "words" else formats.value(value)

    def layout(self, values: NDArray[np.float64] | None = None) -> dict[str, Any]:
        """Return Plotly's options for the axis.

        ``values`` are what is drawn along it, by default its own.
        """
        finite = self.values[np.isfinite(self.values)] if values is None else values
        if self.kind == "words":
            return _words_layout(self.names)
        if not len(finite):
            return {}
        if self.kind == "log":
            return _log_layout(finite, self.base)
        return (
            _few_layout(self.few, finite) if 0 < len(self.few) <= _MAX_TICKS else {"type": "linear"}
        )


def axis_of(table: TrialTable, name: str) -> Axis:
    """Build the axis of a column for this table's trials. Raises KeyError for an unknown name."""
    column = _column(table, name)
    if isinstance(column, Choices):
        values, names = word_places(name, column)
        return Axis(name, _title(table, name), "words", values, 10, names, True, _few(values))
    if name in _TIMES:
        column = (column - np.nanmin(column, initial=np.inf)) / 60
    return number_axis(name, column, _title(table, name))


def _column(table: TrialTable, name: str) -> Column:
    """Return a column; NaN for settings that a table without trials lacks."""
    if name in _SETTINGS and name not in table.settings:
        return np.full(len(table), np.nan)
    return table.column(name)


def select_using(table: TrialTable, *names: str) -> TrialTable:
    """Select the trials that count and use these settings."""
    mask = table.counting
    for name in names:
        mask &= uses_setting(table, name) if name in table.column_names else False
    return table.where(mask)


def number_axis(name: str, values: Numbers, title: str | None = None) -> Axis:
    """Build an axis of numbers, which may be of several tables."""
    finite = values[np.isfinite(values)]
    factor = column_named(name).factor
    log = factor is not None and bool(len(finite)) and bool(finite.min() > 0)
    return Axis(
        name=name,
        title=title or column_named(name).axis_title,
        kind="log" if log else "linear",
        values=np.where(np.isfinite(values), values, np.nan),
        base=factor or 10,
        names=(),
        whole=bool(np.all(finite == np.round(finite))),
        few=_few(finite),
    )


def _title(table: TrialTable, name: str) -> str:
    return column_named(table.objectives[0] if name == "value" else name).axis_title


def _few(values: Numbers) -> NDArray[np.float64]:
    different = np.unique(values[np.isfinite(values)])
    return different if len(different) <= FEW else np.empty(0)


def _words_layout(names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "linear",
        "range": [-0.6, len(names) - 0.4],
        "tickvals": list(range(len(names))),
        "ticktext": [*map(style.escape, names)],
        "showgrid": False,
    }


def _few_layout(few: NDArray[np.float64], values: NDArray[np.float64]) -> dict[str, Any]:
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low) or 0.5
    return {
        "type": "linear",
        "range": [low - room, high + room],
        "tickvals": few.tolist(),
        "ticktext": [formats.value(value) for value in few.tolist()],
    }


def _log_layout(values: NDArray[np.float64], base: int) -> dict[str, Any]:
    ends = [float(values.min()), float(values.max())]
    if base == 2:
        return style.width_axis(ends)
    return style.log_axis(ends) | ({"tickformat": "~s"} if ends[1] >= 1e5 else {})


def epoch_axis(longest: int) -> dict[str, Any]:
    """Return Plotly's options for epochs from 1 to ``longest``."""
    room = max(0.25, 0.03 * longest)
    return {"range": [1 - room, longest + room], "dtick": 1 if longest <= 10 else None}


def error_axis(values: Sequence[float] | NDArray[np.float64]) -> dict[str, Any]:
    """Return Plotly's options for errors: logarithmic if they differ by factors, else linear."""
    low, high = float(np.min(values)), float(np.max(values))
    if low > 0 and high / low > 3:
        return style.log_axis([low, high])
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return {"type": "linear", "range": [low - room, high + room], "tickformat": "~g"}


def round_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten between low and high; with 2 and 5 times them if there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) > 2:
            return inside
    return [low, math.sqrt(low * high), high]


class AxisCells(NamedTuple):
    """An axis divided into cells: one per value if they are few, else equal intervals."""

    edges: NDArray[np.float64]  # (C + 1,) as drawn, or indices of the few values
    #: The middle of each cell.
    middles: NDArray[np.float64]  # (C,)
    #: The cell of each trial; -1 for none.
    places: NDArray[np.intp]  # (K,)
    #: The content of each cell, in words.
    texts: list[str]
    #: Whether cells are single values, drawn side by side.
    single: bool

    @property
    def n(self) -> int:
        """Return the number of cells."""
        return len(self.texts)

    def to_positions(self, values: Numbers) -> Numbers:
        """Return the positions of trials with these values between ``edges``."""
        return self.places.astype(np.float64) if self.single else values

    def layout(self, axis: Axis) -> dict[str, Any]:
        """Return Plotly's options for an axis from the first edge to the last."""
        if self.single or not self.n:
            return _words_layout(self.texts) | {"range": [-0.5, self.n - 0.5]}
        ends = self.edges[[0, -1]]
        return axis.layout() | {"range": (np.log10(ends) if axis.kind == "log" else ends).tolist()}


def cells_of(axis: Axis, n_cells: int) -> AxisCells:
    """Divide an axis into at most ``n_cells`` cells; words and few values have one each.

    With more than MAX_WORDS words, trials with the other words have no cell.
    """
    if axis.single:
        return _single_cells(axis)
    scaled = axis.to_scale(axis.values)
    known = np.isfinite(scaled)
    if not known.any():
        return AxisCells(np.zeros(1), np.zeros(0), np.full(len(scaled), -1), [], single=False)
    ends = float(scaled[known].min()), float(scaled[known].max())
    edges = axis.from_scale(np.linspace(*ends, n_cells + 1))
    if axis.whole:  # else a cell may lie between two integers and stay empty
        edges = np.unique(np.floor(edges[:-1]) - 0.5)
        edges = np.append(edges, np.nanmax(axis.values) + 0.5)
    else:
        edges[0], edges[-1] = np.nanmin(axis.values), np.nanmax(axis.values)
    places = np.clip(np.searchsorted(edges, axis.values, side="right") - 1, 0, len(edges) - 2)
    texts = [_stretch(axis, low, high) for low, high in pairwise(edges)]
    between = axis.to_scale(np.maximum(edges, np.nanmin(axis.values)))
    middles = axis.from_scale((between[:-1] + between[1:]) / 2)
    return AxisCells(edges, middles, np.where(known, places, -1), texts, single=False)


def _single_cells(axis: Axis) -> AxisCells:
    values = axis.points[:MAX_WORDS]
    places = np.searchsorted(values, axis.values)
    held = np.isfinite(axis.values) & (places < len(values))
    return AxisCells(
        edges=np.arange(-0.5, len(values)),
        middles=values,
        places=np.where(held, places, -1),
        texts=[axis.text(value) for value in values.tolist()],
        single=True,
    )


def _stretch(axis: Axis, low: float, high: float) -> str:
    if axis.whole:
        first, last = math.ceil(low), math.floor(high)
        return f"{first:,}" if first == last else f"{first:,} to {last:,}"
    return f"{formats.number(low)} to {formats.number(high)}"


def even(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a fixed number in [0, 1) for each trial, spread evenly over any run of trial numbers.

    They are multiples of the golden ratio, which fill the interval without clumps.
    """
    shares: NDArray[np.float64] = np.mod(numbers * ((math.sqrt(5) - 1) / 2), 1.0)
    return shares


def colour_bar(title: str, ticks: Mapping[float, str] | None = None) -> dict[str, Any]:
    """Return Plotly's options for the legend of colours; ``ticks`` are value -> text."""
    chosen: dict[str, Any] = {"nticks": 5}
    if ticks:
        texts = [*map(style.escape, ticks.values())]
        chosen = {"tickvals": list(ticks), "ticktext": texts}
    return {
        "title": {"text": f"{style.escape(title)}<br> ", "side": "top", "font": {"size": 13}},
        "tickfont": {"size": 11},
        "thickness": 10,
        "len": 0.9,
        "outlinewidth": 0,
        **chosen,
    }


def finite(*columns: Numbers) -> Mask:
    """Select the trials that have every one of these numbers."""
    mask: Mask = np.all([np.isfinite(column) for column in columns], axis=0)
    return mask
