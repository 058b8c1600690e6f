"""Chart one trial's training, epoch by epoch and seed by seed."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go

from sweep.analysis.floors import Floors
from sweep.analysis.study_reader import StudyReader
from sweep.analysis.verdict import best_number, floor_at
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.figures import axes, style
from sweep.figures.figure import Columns, Figure, Tab, stack
from sweep.store.records import CurvePoint, TrialRow

#: A floor farther below the lowest error would squeeze the curves: it is mentioned, not drawn.
_BELOW = 0.2

_WAITING = "No epoch has finished yet."
_NEVER = "The trial ended without a finite number in any epoch."
_NO_BCE = "The output is linear, and cross-entropy needs pixels in (0, 1)."


class SeedLine(NamedTuple):
    """A number by epoch, without epochs for which it is unknown."""

    label: str
    epochs: list[int]
    values: list[float]


class SeedChart(NamedTuple):
    """A number of one trial."""

    title: str
    #: With the unit.
    axis: str
    seeds: list[SeedLine]
    #: Over the seeds, for the epochs that all of them have reached; None with a single seed.
    mean: SeedLine | None
    #: Lower bound of any model of that kind; None if it is unknown.
    floor: float | None = None
    floor_name: str = ""
    #: Why there are no lines.
    empty: str = _WAITING

    @property
    def about(self) -> str:
        """Name the floor, which is drawn only if the curves come close to it."""
        return "" if self.floor is None else f"{self.floor_name}: {formats.number(self.floor)}"

    @property
    def lines(self) -> list[SeedLine]:
        """Return the seeds' lines, and their mean if there is one."""
        return [*self.seeds, *([self.mean] if self.mean else [])]


class SeedCurves(NamedTuple):
    """The three charts of a trial's page."""

    train_loss: SeedChart
    val_mse: SeedChart
    val_bce: SeedChart


def gather_seed_curves(
    curves: Mapping[int, Sequence[CurvePoint]],  # by index of the seed
    row: TrialRow,
    floors: Floors | None = None,
) -> SeedCurves:
    """Gather the curves of the trial's seeds, with its data's lower bounds at its width."""
    config = row.config
    nothing = _WAITING if row.outcome is None else _NEVER
    train_loss, val_mse, val_bce = (
        _seeds(curves, row.seeds, name) for name in ("train_loss", "val_mse", "val_bce")
    )
    loss = str(config.get("loss", "")).upper()
    return SeedCurves(
        train_loss=SeedChart(
            title="Training loss",
            axis=f"Training loss ({loss})" if loss else "Training loss",
            seeds=train_loss,
            mean=_mean(train_loss),
            empty=nothing,
        ),
        val_mse=SeedChart(
            title="Validation error",
            axis=column_named("val_mse").axis_title,
            seeds=val_mse,
            mean=_mean(val_mse),
            floor=floor_at(floors, row.hidden_width, validation=True) if floors else None,
            floor_name=f"PCA floor at width {row.hidden_width}",
            empty=nothing,
        ),
        val_bce=SeedChart(
            title="Validation cross-entropy",
            axis="Validation BCE (nats per pixel)",
            seeds=val_bce,
            mean=_mean(val_bce),
            floor=floors.val_entropy if floors else None,
            floor_name="Entropy floor of the pixels",
            empty=_NO_BCE if val_mse and config.get("output_activation") == "linear" else nothing,
        ),
    )


def _seeds(
    curves: Mapping[int, Sequence[CurvePoint]], seeds: Sequence[int], name: str
) -> list[SeedLine]:
    lines = []
    for place, points in sorted(curves.items()):
        known = [(point.epoch, getattr(point, name)) for point in points]
        known = [(epoch, value) for epoch, value in known if value is not None]
        if known:
            # The curves are read after the trial, whose seeds may have been chosen in between.
            seed = seeds[place] if place < len(seeds) else f"no. {place}"
            lines.append(SeedLine(f"seed {seed}", *map(list, zip(*known, strict=True))))
    return lines


def _mean(seeds: Sequence[SeedLine]) -> SeedLine | None:
    if len(seeds) < 2:
        return None
    by_epoch = [dict(zip(line.epochs, line.values, strict=True)) for line in seeds]
    epochs = sorted(set.intersection(*map(set, by_epoch)))
    if not epochs:
        return None
    means = [float(np.mean([values[epoch] for values in by_epoch])) for epoch in epochs]
    return SeedLine(f"mean of {len(seeds)} seeds", epochs, means)


def draw_seeds(chart: SeedChart) -> go.Figure:
    """Draw a line for each seed, their mean bold and the lower bound dashed."""
    drawn = style.figure("epoch", chart.axis, height=360)
    if not chart.seeds:
        return style.say(drawn, chart.empty)
    _draw_lines(drawn, chart)
    values = [value for line in chart.lines for value in line.values]
    longest = max(line.epochs[-1] for line in chart.seeds)
    if chart.floor is not None and chart.floor >= _BELOW * min(values):
        _draw_floor(drawn, chart, longest)
        values.append(chart.floor)
    drawn.update_layout(showlegend=len(drawn.data) > 1)
    drawn.update_yaxes(axes.error_axis(values))
    return drawn.update_xaxes(axes.epoch_axis(longest))


def _draw_lines(drawn: go.Figure, chart: SeedChart) -> None:
    # Blue is for the mean, grey for the floor.
    colours = cycle(style.PALETTE[1:-1])
    for line, colour in zip(chart.seeds, colours, strict=False):
        alone = {"width": 2.5, "color": style.BLUE}
        among = {"width": 1.5, "color": colour}
        _draw_line(drawn, line, alone if chart.mean is None else among)
    if chart.mean:
        _draw_line(drawn, chart.mean, {"width": 3, "color": style.BLUE})


def _draw_line(drawn: go.Figure, line: SeedLine, look: Mapping[str, Any]) -> None:
    drawn.add_scatter(
        x=line.epochs,
        y=line.values,
        mode="lines+markers",
        line=dict(look),
        marker={"size": 3 + look["width"]},
        name=style.escape(line.label),
        hovertemplate=f"{style.escape(line.label)}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    )


def _draw_floor(drawn: go.Figure, chart: SeedChart, longest: int) -> None:
    name = style.escape(chart.floor_name)
    drawn.add_scatter(
        x=[0, longest + 1],  # beyond both ends of the axis
        y=[chart.floor] * 2,
        mode="lines",
        line={"color": style.GREY, "width": 2, "dash": "dash"},
        name=name,
        hovertemplate=f"{name}<br>%{{y:.4g}}<extra></extra>",
    )


def _gather(
    reader: StudyReader,
    trial: int | None = None,
    curve: Literal["train_loss", "val_mse", "val_bce"] = "val_mse",
) -> SeedChart | None:
    """One ``curve`` of a ``trial``, by default the best: train_loss, val_mse or val_bce."""
    number = best_number(reader.table) if trial is None else trial
    if number is None:
        return None
    curves = gather_seed_curves(reader.seed_curves(number), reader.trial(number), reader.floors)
    chart: SeedChart = getattr(curves, curve)
    is_enough = any(len(line.epochs) > 1 for line in chart.seeds)
    return chart if trial is not None or is_enough else None


def _rows(chart: SeedChart) -> Columns:
    return stack(
        *({"line": of.label, "epoch": of.epochs, "value": of.values} for of in chart.lines)
    )


FIGURE = Figure(
    name="seeds",
    question="How did a trial learn, seed by seed, and how close did it get to its lower bound?",
    title=lambda chart: chart.title,
    needs="a trial that trained for two epochs",
    gather=_gather,
    draw=draw_seeds,
    note=lambda chart: chart.about,
    rows=_rows,
    pages=(Tab.TRIAL,),
)
