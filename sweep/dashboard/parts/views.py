"""The charts of Explore, one shown at a time: what each draws, and what a box on it means."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go

from sweep.catalogue.metrics import METRICS
from sweep.dashboard.parts.brushing import Side, Span
from sweep.errors import UsageError
from sweep.figures import style
from sweep.figures.contour import draw_contour, gather_contour
from sweep.figures.edf import draw_edf, gather_edf
from sweep.figures.history import draw_history, gather_history
from sweep.figures.intermediate import choose_curves, draw_intermediate, gather_intermediate
from sweep.figures.pareto import draw_front, gather_front
from sweep.figures.slices import draw_slice, gather_slice
from sweep.figures.timeline import draw_timeline, gather_timeline
from sweep.store.handle import StudyHandle
from sweep.store.table import Choices, Column, TrialTable

#: Said of any measured number, in this order; the width is a setting.
_METRICS = tuple(name for name in METRICS if name not in ("hidden_width", "n_parameters"))


#: The charts, by the names that addresses give them.
ViewName = Literal["slice", "contour", "history", "distribution", "epochs", "timeline", "front"]


class Box(NamedTuple):
    """A box that was drawn on a chart; sent by assets/explore.js."""

    view: ViewName
    #: The uirevision of the chart.
    of: str
    x: Span | None
    y: Span | None


class Ranges(NamedTuple):
    """The ranges on the parallel axes, by column, and the order of the axes."""

    ranges: dict[str, list[Span]]
    order: list[str]


class Choice(NamedTuple):
    """The columns that people chose."""

    #: Settings.
    x: str
    y: str
    metric: str


class Asked(NamedTuple):
    """What a view is to show."""

    study: StudyHandle
    #: All trials, and those that pass the filter.
    whole: TrialTable
    shown: TrialTable
    choice: Choice
    #: What a chart of groups was zoomed to.
    between: Span | None = None


class Shown(NamedTuple):
    """A chart, and what its sides stand for when a box is drawn on it."""

    figure: go.Figure
    note: str
    x: Side | None = None
    y: Side | None = None
    #: Zooming in shows the trials that are grouped.
    zoomable: bool = False


class Kind(NamedTuple):
    """One of the charts."""

    title: str
    draw: Callable[[Asked], Shown]
    #: Which columns people choose for it.
    controls: tuple[str, ...] = ()
    #: The columns of its sides; none where boxes mean nothing.
    columns: Callable[[Asked], tuple[str, ...]] = lambda asked: ()


def settings_of(table: TrialTable) -> list[str]:
    """Settings that differ between trials, the searched ones first."""
    names = dict.fromkeys((*table.searched, *table.settings))
    return [name for name in names if _varied(table.settings[name])]


def _varied(column: Column) -> bool:
    values = column.codes if isinstance(column, Choices) else column[np.isfinite(column)]
    return bool((values != values[:1]).any())


def metrics_of(table: TrialTable) -> list[str]:
    """What some trial was measured by."""
    return [name for name in _METRICS if np.isfinite(table.metrics[name]).any()]


def choice_of(table: TrialTable, x: str | None, y: str | None, metric: str | None) -> Choice:
    """The wanted columns; where one is not there, the first that is."""
    settings = settings_of(table) or ["hidden_width"]
    x = x if x in settings else settings[0]
    others = [name for name in settings if name != x] or [x]
    metrics = metrics_of(table) or ["val_mse"]
    return Choice(
        x=x,
        y=y if y in others else others[0],
        metric=metric if metric in metrics else metrics[0],
    )


def _slice(asked: Asked) -> Shown:
    choice = asked.choice
    sliced = gather_slice(asked.shown, choice.x, choice.metric, asked.between)
    drawn = draw_slice(sliced)
    return Shown(
        drawn,
        style.subtitle_of(drawn),
        Side(choice.x, sliced.setting),
        Side(choice.metric, sliced.metric),
        zoomable=len(asked.shown) > style.MAX_MARKS,
    )


def _contour(asked: Asked) -> Shown:
    contour = gather_contour(asked.shown, *asked.choice)
    return Shown(
        draw_contour(contour),
        contour.about,
        Side(asked.choice.x, contour.x, in_cells=contour.columns.single),
        Side(asked.choice.y, contour.y, in_cells=contour.rows.single),
    )


def _history(asked: Asked) -> Shown:
    history = gather_history(asked.shown, asked.between)
    zoomable = len(asked.shown) > style.MAX_MARKS
    drawn = draw_history(history)
    return Shown(drawn, history.about, Side("number"), Side("value"), zoomable)


def _edf(asked: Asked) -> Shown:
    tables = {"all trials": asked.whole}
    if len(asked.shown) < len(asked.whole):
        tables["those that pass"] = asked.shown
    return Shown(draw_edf(gather_edf(tables, asked.choice.metric)), "")


def _epochs(asked: Asked) -> Shown:
    begun = asked.shown.where(~asked.shown.states.is_("WAITING"))
    curves = asked.study.curves(choose_curves(begun))
    drawn = draw_intermediate(gather_intermediate(curves, begun))
    return Shown(drawn, style.subtitle_of(drawn))


def _timeline(asked: Asked) -> Shown:
    timeline = gather_timeline(asked.shown, asked.between)
    shown = asked.shown
    drawn = shown.where((shown.workers.codes >= 0) & np.isfinite(shown.started + shown.ended))
    workers = {str(drawn.workers.names[code]) for code in np.unique(drawn.workers.codes)}
    return Shown(
        draw_timeline(timeline),
        timeline.about,
        Side("started", offset=float(drawn.started.min(initial=np.inf))),
        Side("worker", names=tuple(sorted(workers, reverse=True))),
        zoomable=timeline.busy is not None or asked.between is not None,
    )


def _front(asked: Asked) -> Shown:
    front = gather_front(asked.shown)
    if front is None:
        raise UsageError("a study of one objective has no trade-offs.")
    drawn = draw_front(front)
    return Shown(drawn, front.about, Side(asked.shown.objectives[1]), Side("value"))


def kinds_of(table: TrialTable) -> Mapping[ViewName, Kind]:
    """The views of a study, by the names that addresses give them."""
    if len(table.objectives) > 1:
        return KINDS
    return {name: kind for name, kind in KINDS.items() if name != "front"}


def box_of(x: Span | None, y: Span | None) -> list[dict[str, object]]:
    """A box as Plotly keeps it."""
    if not x or not y:
        return []
    ends = {"x0": x[0], "x1": x[1], "y0": y[0], "y1": y[1]}
    return [{"type": "rect", "xref": "x", "yref": "y", **ends}]


KINDS: Mapping[ViewName, Kind] = {
    "slice": Kind("Slice", _slice, ("x", "metric"), lambda of: (of.choice.x, of.choice.metric)),
    "contour": Kind(
        "Two settings", _contour, ("x", "y", "metric"), lambda of: (of.choice.x, of.choice.y)
    ),
    "history": Kind("History", _history, (), lambda of: ("number", "value")),
    "distribution": Kind("Distribution", _edf, ("metric",)),
    "epochs": Kind("Epoch by epoch", _epochs),
    "timeline": Kind("Timeline", _timeline, (), lambda of: ("started", "worker")),
    "front": Kind("Trade-offs", _front, (), lambda of: (of.whole.objectives[1], "value")),
}
