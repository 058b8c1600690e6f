"""Chart one measured number over two settings: a map of cells with the results of their trials.

Nothing is interpolated: a cell without trials stays empty. Notation: R rows of C cells.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sweep.analysis.study_reader import StudyReader
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.catalogue.metrics import METRICS
from sweep.figures import axes, style
from sweep.figures.axes import Axis, AxisCells
from sweep.figures.figure import (
    Columns,
    Figure,
    Metric,
    ReportSection,
    Setting,
    Side,
    Tab,
    check_name,
)
from sweep.figures.groups import Groups, group
from sweep.figures.marks import Marks, draw_marks, marks_of
from sweep.store.table import Numbers, TrialTable

Statistic = Literal["best", "median"]

#: Maximum on each side.
MAX_CELLS = 40
_MIN_CELLS = 6
#: Trials per cell if trials were spread evenly.
_TRIALS_A_CELL = 4


class Contour(NamedTuple):
    """The counting trials that use both settings, by cells of them."""

    x: Axis
    y: Axis
    metric: Axis
    statistic: Statistic
    columns: AxisCells
    rows: AxisCells
    #: By cell, row by row.
    groups: Groups
    #: At its own position; in the middle of its cell if cells are single values.
    best: Marks

    @property
    def n_trials(self) -> int:
        """Return the number of trials in all cells."""
        return int(self.groups.counts.sum())

    @property
    def title(self) -> str:
        """Return the metric and both settings."""
        of_cells = "Best" if self.statistic == "best" else "Median"
        return f"{of_cells} {self.metric.plain} by {self.x.plain} and {self.y.plain}"

    @property
    def about(self) -> str:
        """Say which trials have no cell; empty if all have one."""
        n_left = len(self.x.values) - self.n_trials
        if not n_left:
            return ""
        return f"{n_left:,} trials are not shown: there are more than {axes.MAX_WORDS} words."

    @property
    def values(self) -> NDArray[np.float64]:
        """The values that colours show; NaN for an empty cell."""
        of_cells = self.groups.best if self.statistic == "best" else self.groups.median
        return of_cells.reshape(self.rows.n, self.columns.n)


def gather_contour(
    table: TrialTable,
    x: str,
    y: str,
    metric: str = "val_mse",
    statistic: Statistic = "best",
) -> Contour:
    """Divide the settings into cells: equal factors if logarithmic, one per word or few values."""
    usable = axes.select_using(table, x, y)
    usable = usable.where(np.isfinite(axes.axis_of(usable, metric).values))
    across, up, measured = (axes.axis_of(usable, name) for name in (x, y, metric))
    n_cells = round(math.sqrt(len(usable) / _TRIALS_A_CELL))
    n_cells = min(MAX_CELLS, max(_MIN_CELLS, n_cells))
    columns, rows = axes.cells_of(across, n_cells), axes.cells_of(up, n_cells)
    held = (columns.places >= 0) & (rows.places >= 0)
    highest = column_named(metric).higher_is_better
    groups = group(
        rows.places[held] * columns.n + columns.places[held],
        measured.values[held],
        usable.numbers[held],
        rows.n * columns.n,
        highest=highest,
    )
    at = columns.to_positions(across.values), rows.to_positions(up.values)
    return Contour(
        x=across,
        y=up,
        metric=measured,
        statistic=statistic,
        columns=columns,
        rows=rows,
        groups=groups,
        best=_best(usable, groups, *at, highest=highest),
    )


def _best(usable: TrialTable, groups: Groups, x: Numbers, y: Numbers, *, highest: bool) -> Marks:
    """Mark the best trial of the best cell; no mark without trials."""
    ordered = np.argsort(-groups.best if highest else groups.best)  # NaN last
    numbers = groups.best_numbers[ordered[:1]]
    chosen = np.isin(usable.numbers, numbers)
    return marks_of(usable.where(chosen), x[chosen], y[chosen], n_marks=1)


def draw_contour(contour: Contour) -> go.Figure:
    """Draw the result of each cell as its colour, and a star at the best trial."""
    x, y, metric = contour.x, contour.y, contour.metric
    drawn = style.figure(x.title, y.title, height=500)
    values = metric.to_scale(contour.values)
    drawn.add_heatmap(
        x=contour.columns.edges,
        y=contour.rows.edges,
        z=values,
        customdata=contour.groups.best_numbers.reshape(values.shape),
        text=_hovers(contour),
        hovertemplate="%{text}<extra></extra>",
        hoverongaps=False,
        colorscale=axes.ERROR_SCALE[:: -1 if column_named(metric.name).higher_is_better else 1],
        xgap=1,
        ygap=1,
        colorbar=axes.colour_bar(metric.plain, _ticks(metric, values)),
        showscale=True,
    )
    draw_marks(
        drawn, contour.best, n_marks=1, name="best trial", marker=dict(axes.STAR), cliponaxis=False
    )
    drawn.update_layout(showlegend=True)
    drawn.update_xaxes(contour.columns.layout(x), showgrid=False)
    return drawn.update_yaxes(contour.rows.layout(y), showgrid=False)


def _ticks(metric: Axis, values: NDArray[np.float64]) -> dict[float, str] | None:
    """Return ticks for colours that represent logarithms; None for Plotly's own."""
    if metric.kind != "log":
        return None
    ends = metric.from_scale(np.array([np.nanmin(values), np.nanmax(values)]))
    ticks = axes.round_ticks(*ends.tolist())
    places = metric.to_scale(np.array(ticks)).tolist()
    texts = [formats.value(float(f"{tick:.2g}")) for tick in ticks]
    return dict(zip(places, texts, strict=True))


def _hovers(contour: Contour) -> list[list[str]]:
    """Write a text for each cell, row by row."""
    groups, metric = contour.groups, style.escape(contour.metric.plain)
    of_groups = zip(
        groups.counts.tolist(),
        groups.best.tolist(),
        groups.median.tolist(),
        groups.best_numbers.tolist(),
        strict=True,
    )
    rows = [style.escape(f"{contour.y.plain} {text}") for text in contour.rows.texts]
    columns = [style.escape(f"{contour.x.plain} {text}") for text in contour.columns.texts]
    return [
        [
            f"{column}<br>{row}<br>{formats.count(n, 'trial')}"
            f"<br>best {metric} {formats.number(best)} (trial {number})"
            f"<br>median {formats.number(median)}"
            if n
            else ""
            for column, (n, best, median, number) in zip(columns, of_groups, strict=False)
        ]
        for row in rows
    ]


def _gather(
    reader: StudyReader,
    x: Setting | None = None,
    y: Setting | None = None,
    metric: Metric | None = None,
    statistic: Statistic = "best",
) -> Contour | None:
    """Best or median (``statistic``) of a ``metric`` over two settings, ``x`` and ``y``.

    Without options: the best of the first objective, over the two most important settings.
    """
    table, given = reader.table, [of for of in (x, y) if of is not None]
    for setting in given:
        check_name(setting, table.settings, "setting")
    if len(given) < 2:
        others = (of for of in reader.importances.shares if of not in given)
        first = [x or next(others, None), y or next(others, None)]
        given = [of for of in first if of is not None]
        if len(given) < 2:
            return None
    metric = table.objectives[0] if metric is None else check_name(metric, METRICS, "metric")
    contour = gather_contour(table, given[0], given[1], metric, statistic)
    return contour if contour.n_trials > 1 else None


def _rows(contour: Contour) -> Columns:
    groups, rows, columns = contour.groups, contour.rows, contour.columns
    filled = np.flatnonzero(groups.counts)
    return {
        contour.x.name: [columns.texts[place] for place in filled % columns.n],
        contour.y.name: [rows.texts[place] for place in filled // columns.n],
        "n_trials": groups.counts[filled],
        f"best_{contour.metric.name}": groups.best[filled],
        f"median_{contour.metric.name}": groups.median[filled],
        "best_trial": groups.best_numbers[filled],
    }


def _describe(contour: Contour) -> str:
    groups, (rows, columns) = contour.groups, (contour.rows, contour.columns)
    highest = column_named(contour.metric.name).higher_is_better
    at = int(np.nanargmax(groups.best) if highest else np.nanargmin(groups.best))
    x, y = columns.texts[at % columns.n], rows.texts[at // columns.n]
    return f"The best trial is at {contour.x.plain} {x} and {contour.y.plain} {y}"


FIGURE = Figure(
    name="contour",
    question="Which values of two settings go well together?",
    label="Two settings",
    title=lambda contour: contour.title,
    needs="finished trials that differ in two settings: 20, or options x= and y=",
    gather=_gather,
    draw=draw_contour,
    note=lambda contour: contour.about,
    sides=lambda of: (
        Side(of.x.name, of.x, in_cells=of.columns.single),
        Side(of.y.name, of.y, in_cells=of.rows.single),
    ),
    rows=_rows,
    finding=_describe,
    section=ReportSection.SETTINGS,
    pages=(Tab.EXPLORE,),
)
