"""Chart which share of the trials reached an error, to compare studies and searches as a whole."""

from collections.abc import Mapping
from itertools import cycle
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sweep.analysis.study_reader import StudyReader
from sweep.catalogue.metrics import METRICS
from sweep.figures import axes, style
from sweep.figures.axes import Axis
from sweep.figures.figure import (
    Columns,
    Figure,
    Metric,
    Panel,
    ReportSection,
    Tab,
    check_name,
    stack,
)
from sweep.findings.verdict import beaten_by
from sweep.store.table import TrialTable

#: Maximum steps of a curve; more are indistinguishable.
MAX_STEPS = 500
#: Minimum number of trials for a distribution in a report.
_ENOUGH = 20


class Shares(NamedTuple):
    """A curve: the share ``shares[i]`` of its trials is at ``values[i]`` or below."""

    label: str
    n_trials: int
    values: NDArray[np.float64]  # (S,) at most MAX_STEPS, ascending
    shares: NDArray[np.float64]  # (S,) in (0, 1]


class Edf(NamedTuple):
    """Empirical distribution functions of a metric."""

    #: Covers the values of all curves.
    axis: Axis
    curves: list[Shares]
    about: str = ""


def gather_edf(tables: Mapping[str, TrialTable], metric: str = "val_mse") -> Edf:
    """Gather a curve for each labelled table that has trials that count."""
    found = {
        label: axes.axis_of(table.where(table.counting), metric) for label, table in tables.items()
    }
    curves = [_shares(label, axis) for label, axis in found.items()]
    curves = [curve for curve in curves if curve.n_trials]
    values = np.concatenate([np.empty(0), *(curve.values for curve in curves)])
    title = next((axis.title for axis in found.values()), None)
    return Edf(axes.number_axis(metric, values, title), curves)


def _shares(label: str, axis: Axis) -> Shares:
    ordered = np.sort(axis.values[np.isfinite(axis.values)])
    n_trials = len(ordered)
    rows = np.unique(np.linspace(0, n_trials - 1, min(n_trials, MAX_STEPS)).round().astype(int))
    return Shares(label, n_trials, ordered[rows], (rows + 1) / max(n_trials, 1))


def draw_edf(edf: Edf) -> go.Figure:
    """Draw step curves; the farther to the left, the better the trials as a whole."""
    axis = edf.axis
    drawn = style.figure(axis.title, "Share of trials")
    # More studies than colours reuse them, dashed.
    looks = cycle((colour, dash) for dash in ("solid", "dash", "dot") for colour in style.PALETTE)
    for curve, (colour, dash) in zip(edf.curves, looks, strict=False):
        drawn.add_scatter(
            x=np.append(curve.values[:1], curve.values),  # starts at zero
            y=np.append(0.0, curve.shares),
            mode="lines",
            line={"color": colour, "width": 2.5, "dash": dash, "shape": "hv"},
            name=style.escape(f"{curve.label} ({curve.n_trials:,})"),
            hovertemplate=f"%{{y:.1%}} of {curve.n_trials:,} trials: at most %{{x:.4g}}",
        )
    drawn.update_layout(showlegend=True)
    drawn.update_xaxes(axis.layout())
    return drawn.update_yaxes(range=[-0.02, 1.03], tickformat=".0%")


def _gather(reader: StudyReader, metric: Metric = "val_mse") -> Edf | None:
    """Share of the trials at each value of a ``metric`` or below."""
    table = reader.table
    tables = {reader.study.name: table}
    if len(table) < len(reader.whole):
        tables = {"all trials": reader.whole, "those that pass": table}
    edf = gather_edf(tables, check_name(metric, METRICS, "metric"))
    if sum(curve.n_trials for curve in edf.curves) < 2:
        return None
    baseline = reader.compared.baseline if reader.compared else None
    return edf._replace(about=beaten_by(table, baseline))


def _rows(edf: Edf) -> Columns:
    return stack(
        *(
            {"study": curve.label, edf.axis.name: curve.values, "share": curve.shares}
            for curve in edf.curves
        )
    )


FIGURE = Figure(
    name="edf",
    question="How good are the trials overall?",
    label="Distribution",
    title=lambda edf: f"Share of finished trials with at most this {edf.axis.plain}",
    needs="two finished trials",
    gather=_gather,
    draw=draw_edf,
    note=lambda edf: edf.about,
    rows=_rows,
    finding=lambda edf: edf.about.removesuffix("."),
    section=ReportSection.SEARCH,
    panels=lambda reader: [Panel()] if reader.table.counting.sum() >= _ENOUGH else [],
    pages=(Tab.EXPLORE,),
)
