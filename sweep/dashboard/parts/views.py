"""Define the charts of Explore: what each draws, and the meaning of a box on it."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from sweep.catalogue.metrics import METRICS
from sweep.dashboard.parts.brushing import Side, Span
from sweep.figures.contour import Contour
from sweep.figures.slices import Slice
from sweep.store.table import Choices, Column, TrialTable

#: Offered metrics, in this order; the width is a setting.
_METRICS = tuple(name for name in METRICS if name not in ("hidden_width", "n_parameters"))


#: The charts, by their names in addresses.
ViewName = Literal["slice", "contour", "history", "distribution", "epochs", "timeline", "front"]


class Box(NamedTuple):
    """A box that was drawn on a chart; sent by assets/explore.js."""

    view: ViewName
    #: The chart's uirevision.
    of: str
    x: Span | None
    y: Span | None


class Ranges(NamedTuple):
    """The ranges on the parallel axes, by column, and the order of the axes."""

    ranges: dict[str, list[Span]]
    order: list[str]


class ChosenColumns(NamedTuple):
    """The columns that people chose."""

    #: Settings.
    x: str
    y: str
    metric: str


class ChartView(NamedTuple):
    """One of the charts."""

    title: str
    #: Name in the registry.
    figure: str
    #: Its options, by the columns that people choose for them.
    options: Mapping[str, str] = {}
    #: What its sides mean when a box is drawn on it, from its data; None if boxes have no meaning.
    sides: Callable[[Any, TrialTable], tuple[Side, Side] | None] = lambda data, table: None


def settings_of(table: TrialTable) -> list[str]:
    """List the settings that differ between trials, the searched ones first."""
    names = dict.fromkeys((*table.searched, *table.settings))
    return [name for name in names if _varied(table.settings[name])]


def _varied(column: Column) -> bool:
    values = column.codes if isinstance(column, Choices) else column[np.isfinite(column)]
    return bool((values != values[:1]).any())


def metrics_of(table: TrialTable) -> list[str]:
    """List the metrics that some trial has."""
    return [name for name in _METRICS if np.isfinite(table.metrics[name]).any()]


def choice_of(table: TrialTable, x: str | None, y: str | None, metric: str | None) -> ChosenColumns:
    """Return the wanted columns, replaced by the first existing one if they do not exist."""
    settings = settings_of(table) or ["hidden_width"]
    x = x if x in settings else settings[0]
    others = [name for name in settings if name != x] or [x]
    metrics = metrics_of(table) or ["val_mse"]
    return ChosenColumns(
        x=x,
        y=y if y in others else others[0],
        metric=metric if metric in metrics else metrics[0],
    )


def _timeline_sides(_: Any, table: TrialTable) -> tuple[Side, Side]:
    drawn = table.where((table.workers.codes >= 0) & np.isfinite(table.started + table.ended))
    workers = {str(drawn.workers.names[code]) for code in np.unique(drawn.workers.codes)}
    return (
        Side("started", offset=float(drawn.started.min(initial=np.inf))),
        Side("worker", names=tuple(sorted(workers, reverse=True))),
    )


def kinds_of(table: TrialTable) -> Mapping[ViewName, ChartView]:
    """Return the views of a study, by the names that addresses give them."""
    if len(table.objectives) > 1:
        return KINDS
    return {name: kind for name, kind in KINDS.items() if name != "front"}


def box_of(x: Span | None, y: Span | None) -> list[dict[str, object]]:
    """Return a box in Plotly's format."""
    if not x or not y:
        return []
    ends = {"x0": x[0], "x1": x[1], "y0": y[0], "y1": y[1]}
    return [{"type": "rect", "xref": "x", "yref": "y", **ends}]


def _sides_of_slice(data: Slice, _: TrialTable) -> tuple[Side, Side]:
    return Side(data.setting.name, data.setting), Side(data.metric.name, data.metric)


def _sides_of_contour(data: Contour, _: TrialTable) -> tuple[Side, Side]:
    return (
        Side(data.x.name, data.x, in_cells=data.columns.single),
        Side(data.y.name, data.y, in_cells=data.rows.single),
    )


KINDS: Mapping[ViewName, ChartView] = {
    "slice": ChartView("Slice", "slice", {"x": "setting", "metric": "metric"}, _sides_of_slice),
    "contour": ChartView(
        "Two settings", "contour", {"x": "x", "y": "y", "metric": "metric"}, _sides_of_contour
    ),
    "history": ChartView("History", "history", sides=lambda *_: (Side("number"), Side("value"))),
    "distribution": ChartView("Distribution", "edf", {"metric": "metric"}),
    "epochs": ChartView("Epoch by epoch", "intermediate"),
    "timeline": ChartView("Timeline", "timeline", sides=_timeline_sides),
    "front": ChartView(
        "Trade-offs",
        "pareto",
        sides=lambda data, _: (Side(data.objectives[1]), Side(data.objectives[0])),
    ),
}
