"""The width law: best, median and spread of the error at each width, and the law's curve."""

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sweep.analysis.floors import Floors
from sweep.analysis.study_reader import StudyReader
from sweep.analysis.width_law import (
    SPLITS,
    Law,
    WidthErrors,
    WidthLaw,
    split_errors,
    width_errors,
    width_law,
)
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.figures import style
from sweep.figures.figure import Columns, Figure, Panel, ReportSection, Setting, Tab, stack
from sweep.figures.width import BELOW, more_widths, pca_curve, pca_floor
from sweep.findings.width import about_law, verdict_in_short, what_would_tell
from sweep.store.table import TrialTable

_N_POINTS = 60


class WidthLawChart(NamedTuple):
    """Data of the chart."""

    errors: WidthErrors
    found: WidthLaw
    #: The law's curve, if there is one.
    law_widths: list[float]
    law_errors: list[float]
    #: PCA's test error at the shown widths.
    floor_widths: list[int]
    floor_errors: list[float]
    #: Settings of which several choices were tried.
    splits: list[str]
    #: The setting whose choices are shown separately, and the errors of each.
    split: str | None
    apart: dict[str, WidthErrors]
    about: str

    @property
    def title(self) -> str:
        """Return the title with the setting whose choices are shown separately."""
        by = f" by {column_named(self.split).title}" if self.apart and self.split else ""
        return f"{'Width law' if self.found.law else 'Best and median at each width'}{by}"


def gather_width_law(
    table: TrialTable, floors: Floors | None = None, split: str | None = None
) -> WidthLawChart:
    """Fit the law to trials measured on the test images.

    With ``split`` also per choice of a setting.
    """
    errors = width_errors(table)
    found = width_law(errors)
    drawn = _law_widths(errors, found.law)
    floor = _floor(errors, floors)
    return WidthLawChart(
        errors=errors,
        found=found,
        law_widths=drawn,
        law_errors=[found.law.at(width) for width in drawn] if found.law else [],
        floor_widths=[width for width, _ in floor],
        floor_errors=[error for _, error in floor],
        splits=[setting for setting in SPLITS if split_errors(table, setting)],
        split=split,
        apart=split_errors(table, split) if split else {},
        about=about_law(found),
    )


def _law_widths(errors: WidthErrors, law: Law | None) -> list[float]:
    if law is None:
        return []
    widths: list[float] = np.geomspace(errors.widths[0], 2 * errors.widths[-1], _N_POINTS).tolist()
    return widths


def _floor(errors: WidthErrors, floors: Floors | None) -> list[tuple[int, float]]:
    if floors is None or not len(errors.widths):
        return []
    last = min(int(2 * errors.widths[-1]), floors.n_inputs)
    return pca_curve(floors, int(errors.widths[0]), last)


def draw_width_law(chart: WidthLawChart) -> go.Figure:
    """Draw on logarithmic axes, on which a law without E_inf is a straight line."""
    drawn = style.figure("hidden_width", "test_mse", height=480)
    errors = chart.errors
    if chart.apart:
        _draw_apart(drawn, chart.apart)
    else:
        _draw_spread(drawn, errors)
    _draw_lines(drawn, chart)
    medians = [error for of in chart.apart.values() for error in of.median]
    above = medians or errors.high
    lowest = BELOW * errors.best.min()
    floors = [max(lowest, error) for error in chart.floor_errors]
    heights = [*errors.best, *above, *chart.law_errors, *floors]
    drawn.update_layout(showlegend=True)
    drawn.update_yaxes(style.log_axis(heights))
    return drawn.update_xaxes(style.width_axis(errors.widths.tolist()))


def _draw_spread(drawn: go.Figure, errors: WidthErrors) -> None:
    """Draw quartiles as a band with the median in it, and the best as marks."""
    for y, fill in ((errors.high, None), (errors.low, "tonexty")):
        drawn.add_scatter(
            x=errors.widths,
            y=y,
            mode="lines",
            line={"width": 0},
            fill=fill,
            fillcolor="rgba(86, 180, 233, 0.35)",  # seen on a light and a dark page
            name="middle half of the trials",
            showlegend=fill is not None,
            hoverinfo="skip",
        )
    drawn.add_scatter(
        x=errors.widths,
        y=errors.median,
        mode="lines",
        line={"color": style.PALETTE[0], "width": 1.5, "dash": "dot"},
        name="median",
        hovertemplate="median at %{x} units<br>%{y:.4g}<extra></extra>",
    )
    drawn.add_scatter(
        x=errors.widths,
        y=errors.best,
        mode="markers",
        marker={"color": style.PALETTE[0], "size": 9},
        name="best",
        customdata=errors.numbers,  # a click opens that trial
        text=[f"{n:,}" for n in errors.n_trials],
        hovertemplate=(
            "<b>Trial %{customdata}</b>, the best of %{text} at %{x} units<br>%{y:.4g}"
            "<extra></extra>"
        ),
    )


def _draw_lines(drawn: go.Figure, chart: WidthLawChart) -> None:
    if chart.floor_widths:
        drawn.add_trace(pca_floor(chart.floor_widths, chart.floor_errors))
    if chart.law_widths:
        drawn.add_scatter(
            x=chart.law_widths,
            y=chart.law_errors,
            mode="lines",
            line={"color": style.VERMILLION, "width": 2.5},
            name="law",
            hovertemplate="law at %{x:.0f} units<br>%{y:.4g}<extra></extra>",
        )
    knee = chart.found.law.knee if chart.found.law else None
    if knee is not None and chart.law_widths[0] <= knee.estimate <= chart.law_widths[-1]:
        drawn.add_vline(
            x=knee.estimate,
            line={"color": style.VERMILLION, "width": 1.5, "dash": "dot"},
            annotation_text="knee",
        )


def _draw_apart(drawn: go.Figure, apart: dict[str, WidthErrors]) -> None:
    """Draw each choice in its colour: its best as marks on a line, its median dotted."""
    colours = [colour for colour in style.PALETTE if colour != style.VERMILLION]  # the law's colour
    for (name, errors), colour in zip(apart.items(), 2 * colours, strict=False):
        choice = style.escape(name)
        quartiles = zip(errors.low.tolist(), errors.high.tolist(), strict=True)
        spread = [f"{formats.number(low)} to {formats.number(high)}" for low, high in quartiles]
        drawn.add_scatter(
            x=errors.widths,
            y=errors.best,
            mode="lines+markers",
            line={"color": colour, "width": 1.5},
            marker={"size": 7},
            name=choice,
            legendgroup=choice,
            customdata=errors.numbers,  # a click opens that trial
            hovertemplate=(
                f"<b>Trial %{{customdata}}</b>, the best with {choice} at %{{x}} units<br>"
                "%{y:.4g}<extra></extra>"
            ),
        )
        drawn.add_scatter(
            x=errors.widths,
            y=errors.median,
            mode="lines",
            line={"color": colour, "width": 1, "dash": "dot"},
            name=f"median with {choice}",
            legendgroup=choice,
            showlegend=False,
            text=spread,
            hovertemplate=(
                f"median with {choice} at %{{x}} units<br>%{{y:.4g}}, half of the trials from "
                "%{text}<extra></extra>"
            ),
        )


def _gather(reader: StudyReader, setting: Setting | None = None) -> WidthLawChart | None:
    """Power law of the error over hidden width; ``setting``: one line a choice of it."""
    chart = gather_width_law(reader.table, reader.floors, setting)
    if len(chart.errors.widths) < 2:
        return None
    if chart.apart:
        return chart._replace(about="Marks: the best trial of each choice; dotted, its median.")
    domain = reader.domains.get("hidden_width")
    told = what_would_tell(reader.study.name, chart.found, chart.errors, domain)
    return chart._replace(about=" ".join(filter(None, [chart.about, told])))


def _rows(chart: WidthLawChart) -> Columns:
    return stack(
        *(
            {"mark": name, "choice": choice, "hidden_width": of.widths, "test_mse": values}
            | ({"trial": of.numbers} if name == "best" else {})
            for choice, of in (chart.apart or {"": chart.errors}).items()
            for name, values in {
                "best": of.best,
                "lower quartile": of.low,
                "median": of.median,
                "upper quartile": of.high,
            }.items()
        ),
        {"mark": "law", "hidden_width": chart.law_widths, "test_mse": chart.law_errors},
        {"mark": "PCA", "hidden_width": chart.floor_widths, "test_mse": chart.floor_errors},
    )


def _panels(reader: StudyReader) -> list[Panel]:
    """List a panel of all trials and, if there is a law, one for each searched setting."""
    if width_law(width_errors(reader.table)).law is None:
        return [Panel(id="width-law")]
    splits = [setting for setting in SPLITS if split_errors(reader.table, setting)]
    apart = (Panel({"setting": setting}, f"width-law-{setting}") for setting in splits)
    return [Panel(id="width-law"), *apart]


FIGURE = Figure(
    name="width_law",
    question="Which power law does the error follow, and where does width stop helping?",
    title=lambda chart: chart.title,
    needs="finished trials of two widths",
    remedy=more_widths,
    gather=_gather,
    draw=draw_width_law,
    note=lambda chart: chart.about,
    rows=_rows,
    finding=lambda chart: "" if chart.apart else verdict_in_short(chart.found),
    section=ReportSection.WIDTH,
    panels=_panels,
    pages=(Tab.OVERVIEW, Tab.WHY),
)
