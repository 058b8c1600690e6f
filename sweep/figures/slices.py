"""Chart one measured number over one setting: where along the setting the good trials are.

Notation: K trials that use the setting, G groups of them along it.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sweep.analysis.study_reader import StudyReader
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import count
from sweep.catalogue.metrics import METRICS
from sweep.figures import axes, style
from sweep.figures.axes import Axis, AxisCells
from sweep.figures.figure import (
    Columns,
    Figure,
    Metric,
    Panel,
    ReportSection,
    Setting,
    Side,
    Span,
    Tab,
    check_name,
)
from sweep.figures.groups import Groups, group
from sweep.figures.marks import Marks, TrialBand, draw_band, draw_marks, marks_of, within
from sweep.findings.choices import choice_in_words
from sweep.store.table import Choices, Numbers, TrialTable

#: With fewer trials, lines along a numeric setting would show noise.
_ENOUGH = 30
_MAX_GROUPS = 40
#: Settings that a report shows individually.
_N_SLICES = 2
#: Minimum number of trials that determine a reported range.
_FEW = 5
#: Distance for a value without neighbours: its marks stay close to it.
_ALONE = 0.1

#: From the first trials to the last: light to dark, readable without colours.
SCALE = ((0.0, "#F2DE8E"), (0.35, "#7CC6A4"), (0.7, "#2D8DC4"), (1.0, "#1D4E9E"))


class Slice(NamedTuple):
    """The trials along one setting."""

    setting: Axis
    metric: Axis
    #: The leftmost and the rightmost x of any range.
    ends: tuple[float, float]
    #: All K of them; x is the setting as drawn, scattered slightly around few values.
    marks: Marks
    #: The best of all, and the best of each group.
    best: Marks
    group_best: Marks
    #: At single values of the setting or in intervals of it; empty if trials are few.
    band: TrialBand
    #: Which choice is best, for a setting with words; empty for numbers.
    told: str = ""

    @property
    def title(self) -> str:
        """Return the metric and the setting."""
        return f"{self.metric.heading} by {self.setting.plain}"

    @property
    def about(self) -> str:
        """Describe what is drawn if not a mark per trial."""
        if not self.too_many:
            return ""
        return f"{self.marks.n:,} trials in groups: the best and the middle 80 % of each"

    @property
    def too_many(self) -> bool:
        """Return whether there are so many marks that only groups can be drawn."""
        return self.marks.n > style.MAX_MARKS

    @property
    def n_drawn(self) -> int:
        """Count the marks: all traces are of one kind, as WebGL's would cover the others."""
        return self.group_best.n if self.too_many else self.marks.n


def gather_slice(
    table: TrialTable,
    setting: str,
    metric: str = "val_mse",
    between: tuple[float, float] | None = None,
) -> Slice:
    """Gather the trials that count and use the setting, in the x range ``between`` if given."""
    usable = axes.select_using(table, setting)
    along, measured = axes.axis_of(usable, setting), axes.axis_of(usable, metric)
    x = _scatter(along, usable.numbers) if along.single else along.values
    known = axes.finite(x, measured.values)
    ends = (float(x[known].min()), float(x[known].max())) if known.any() else (0.0, 1.0)
    shown = known & within(x, between)
    chosen, x, y = usable.where(shown), x[shown], measured.values[shown]
    highest = column_named(metric).higher_is_better
    band = _band(_cells(along._replace(values=along.values[shown])), y, chosen.numbers, highest)

    def marks_at(numbers: NDArray[np.int64]) -> Marks:
        rows = np.isin(chosen.numbers, numbers)
        error = metric if metric in table.metrics else "val_mse"
        n_marks = int(rows.sum())
        return marks_of(chosen.where(rows), x[rows], y[rows], n_marks=n_marks, error=error)

    best = [np.argmax(y) if highest else np.argmin(y)] if len(y) else []
    is_value = metric == table.objectives[0]
    return Slice(
        setting=along._replace(values=along.values[shown]),
        metric=measured,
        ends=ends,
        marks=marks_at(chosen.numbers),
        best=marks_at(chosen.numbers[best]),
        group_best=marks_at(band.groups.best_numbers),
        band=band,
        told=choice_in_words(table, setting) if along.names and is_value else "",
    )


def _scatter(along: Axis, numbers: NDArray[np.int64]) -> Numbers:
    """Scatter marks around their value; a trial's position never changes."""
    points = along.to_scale(along.points)
    gap = float(np.diff(points).min()) if len(points) > 1 else _ALONE
    aside = axes.SCATTER * gap * (2 * axes.even(numbers) - 1)
    return along.from_scale(along.to_scale(along.values) + aside)


def _cells(along: Axis) -> AxisCells:
    n_trials = len(along.values)
    return axes.cells_of(along, min(_MAX_GROUPS, max(1, round(math.sqrt(n_trials) / 2))))


def _band(cells: AxisCells, y: Numbers, numbers: NDArray[np.int64], highest: bool) -> TrialBand:
    """Summarise the trials of each cell, at the middle of the cell."""
    held = np.flatnonzero(cells.places >= 0)
    if not cells.single and len(held) < _ENOUGH:
        held = held[:0]
    filled, places = np.unique(cells.places[held], return_inverse=True)
    groups = group(places, y[held], numbers[held], len(filled), highest=highest)
    return TrialBand(cells.middles[filled], groups)


def draw_slice(sliced: Slice) -> go.Figure:
    """Draw marks coloured by trial number, and medians; along a numeric setting also the best."""
    setting, metric = sliced.setting, sliced.metric
    drawn = style.figure(setting.title, metric.title)
    if sliced.too_many:
        _draw_groups(drawn, sliced)
    else:
        _draw_trials(drawn, sliced)
    draw_marks(drawn, sliced.best, n_marks=sliced.n_drawn, name="best", marker=dict(axes.STAR))
    drawn.update_xaxes(setting.layout(np.array(sliced.ends)))
    return drawn.update_yaxes(metric.layout())


def _draw_trials(drawn: go.Figure, sliced: Slice) -> None:
    marks = sliced.marks
    colours = {
        "color": marks.numbers,
        "colorscale": SCALE,
        "size": 7 if marks.n <= style.WEBGL_POINTS else 5,
        "opacity": 0.9,
        "line": {"color": style.FAINT, "width": 0.6},
        "colorbar": axes.colour_bar("trial"),
        "showscale": marks.n > 1,
    }
    draw_marks(drawn, marks, n_marks=marks.n, name="trial", showlegend=False, marker=colours)
    if sliced.setting.single:
        _draw_medians(drawn, sliced)
    elif sliced.band.x.size:
        _draw_line(drawn, sliced, sliced.band.groups.median, "median", dash="dot")
        _draw_line(drawn, sliced, sliced.band.groups.best, "best", dash="solid")


def _draw_groups(drawn: go.Figure, sliced: Slice) -> None:
    if sliced.setting.single:
        _draw_medians(drawn, sliced)
    else:
        draw_band(drawn, sliced.band)
    draw_marks(
        drawn,
        sliced.group_best,
        n_marks=sliced.group_best.n,
        name="best of each group",
        marker={"color": style.BLUE, "size": 7},
    )


def _draw_medians(drawn: go.Figure, sliced: Slice) -> None:
    groups = sliced.band.groups
    drawn.add_trace(
        style.scatter(sliced.n_drawn)(
            x=sliced.band.x,
            y=groups.median,
            mode="markers",
            marker={
                "symbol": "line-ew",
                "size": 34,
                "line": {"color": style.VERMILLION, "width": 3},
            },
            error_y={
                "array": groups.high - groups.median,
                "arrayminus": groups.median - groups.low,
                "color": style.SKY,
                "thickness": 8,
                "width": 0,
                "visible": sliced.too_many,
            },
            **_group_hover(groups, "median"),
            name="median and middle 80 %" if sliced.too_many else "median",
        )
    )


def _draw_line(drawn: go.Figure, sliced: Slice, y: Numbers, name: str, *, dash: str) -> None:
    drawn.add_trace(
        style.scatter(sliced.n_drawn)(
            x=sliced.band.x,
            y=y,
            mode="lines",
            line={"color": style.VERMILLION, "width": 2, "shape": "hvh", "dash": dash},
            **_group_hover(sliced.band.groups, name),
            name=f"{name} of the trials around",
        )
    )


def _group_hover(groups: Groups, name: str) -> dict[str, Any]:
    return {
        "text": [count(n, "trial") for n in groups.counts],
        "hovertemplate": f"{name} of %{{text}}<br>%{{y:.4g}}<extra></extra>",
    }


def _gather(
    reader: StudyReader,
    setting: Setting = "hidden_width",
    metric: Metric | None = None,
    between: Span | None = None,
) -> Slice | None:
    """Value of a ``metric`` over one ``setting``; ``between``: values of it, LOW..HIGH.

    The metric is by default the first objective.
    """
    table = reader.table
    metric = table.objectives[0] if metric is None else check_name(metric, METRICS, "metric")
    sliced = gather_slice(table, check_name(setting, table.settings, "setting"), metric, between)
    return sliced if len(np.unique(sliced.setting.values)) > 1 else None


def _rows(sliced: Slice) -> Columns:
    setting, metric = sliced.setting, sliced.metric
    x = [setting.text(value) for value in setting.values] if setting.names else setting.values
    return {"trial": sliced.marks.numbers, setting.name: x, metric.name: sliced.marks.y}


def _most_important(reader: StudyReader) -> list[Panel]:
    """List the most important settings and every choice; the width has a separate section."""
    others = [name for name in reader.importances.shares if name != "hidden_width"]
    settings = reader.table.settings
    chosen = [name for name in others[_N_SLICES:] if isinstance(settings.get(name), Choices)]
    return [Panel({"setting": of}, f"slice-{of}") for of in (*others[:_N_SLICES], *chosen)]


def _describe(sliced: Slice) -> str:
    setting = sliced.setting
    if setting.names:
        return sliced.told
    if sliced.marks.n < _ENOUGH:
        return f"{sliced.title}: too few trials to name a range"
    y = -sliced.marks.y if column_named(sliced.metric.name).higher_is_better else sliced.marks.y
    best = setting.values[np.argsort(y, kind="stable")[: max(_FEW, sliced.marks.n // 10)]]
    ends = f"{setting.text(best.min())} to {setting.text(best.max())}"
    return f"The best {len(best)} of {sliced.marks.n:,} trials are at {setting.plain} {ends}"


FIGURE = Figure(
    name="slice",
    question="Where along a setting are the good trials?",
    label="Slice",
    title=lambda sliced: sliced.title,
    needs="finished trials with two values of the setting",
    gather=_gather,
    draw=draw_slice,
    note=lambda sliced: sliced.about,
    sides=lambda sliced: (
        Side(sliced.setting.name, sliced.setting),
        Side(sliced.metric.name, sliced.metric),
    ),
    rows=_rows,
    finding=_describe,
    section=ReportSection.SETTINGS,
    panels=_most_important,
    pages=(Tab.EXPLORE,),
)
