"""Define the charts of Explore: what each draws, and the meaning of a box on it."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, get_args

import numpy as np
from pydantic import AfterValidator

from sweep.catalogue.metrics import METRICS
from sweep.dashboard.parts.brushing import Span
from sweep.figures.figure import Figure, Metric, Setting, Tab
from sweep.figures.registry import FIGURES, options_of
from sweep.store.table import TrialTable, varies

#: Offered metrics, in this order; the width is a setting.
_METRICS = tuple(name for name in METRICS if name not in ("hidden_width", "n_parameters"))


#: The figures, by name; parallel axes stand above them.
VIEWS: Mapping[str, Figure[Any]] = {
    name: figure for name, figure in FIGURES.items() if Tab.EXPLORE in figure.pages and figure.label
}


def _is_view(name: str) -> str:
    if name not in VIEWS:
        raise ValueError("this is no figure of the page")
    return name


ViewName = Annotated[str, AfterValidator(_is_view)]


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


def settings_of(table: TrialTable) -> list[str]:
    """List the settings that differ between trials, the searched ones first."""
    names = dict.fromkeys((*table.searched, *table.settings))
    return [name for name in names if varies(table.settings[name])]


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


def views_of(table: TrialTable) -> Mapping[str, Figure[Any]]:
    """Return the figures for a study, by name."""
    return {name: figure for name, figure in VIEWS.items() if figure.applies(table)}


def controls_of(name: str) -> dict[str, str]:
    """Return a figure's options that people choose a column for, by the fields of ChosenColumns."""
    settings, controls = iter(("x", "y")), {}
    for option, parameter in options_of(VIEWS[name]).items():
        kinds = (parameter.annotation, *get_args(parameter.annotation))
        if Setting in kinds:
            controls[next(settings)] = option
        elif Metric in kinds:
            controls["metric"] = option
    return controls


def box_of(x: Span | None, y: Span | None) -> list[dict[str, object]]:
    """Return a box in Plotly's format."""
    if not x or not y:
        return []
    ends = {"x0": x[0], "x1": x[1], "y0": y[0], "y1": y[1]}
    return [{"type": "rect", "xref": "x", "yref": "y", **ends}]
