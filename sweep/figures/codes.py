"""What codes tell of the labels: over the width, and against the reconstruction error."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from sweep.analysis.probe_summary import ProbedTrial, ProbeSummary
from sweep.analysis.study_reader import StudyReader
from sweep.catalogue.columns import column_named
from sweep.figures import style
from sweep.figures.figure import Columns, Figure, Panel, ReportSection, Tab, stacked
from sweep.findings.probes import about_codes

_AXIS = "Label accuracy"


class AccuracyLine(NamedTuple):
    """Shares of labels told right at some widths, by one classifier from one kind of code."""

    name: str
    widths: list[int]
    shares: list[float]
    #: Of the trials; empty where the code is none of a trial.
    numbers: list[int]
    colour: str
    dash: str


class CodesChart(NamedTuple):
    """What the chart says."""

    #: Over the width: the best trials' codes, PCA codes and the pixels, by both classifiers.
    lines: list[AccuracyLine]
    #: Against the error: every analysed trial, by the better classifier.
    errors: list[float]
    shares: list[float]
    numbers: list[int]
    widths: list[int]
    #: What the better classifier tells from the pixels; None without a trial.
    pixels: float | None
    about: str

    @property
    def title(self) -> str:
        """Plain text."""
        return "What the code tells of the labels"


def gather(found: ProbeSummary | None) -> CodesChart:
    """Gather what a study's codes tell (``analysis.study_probes``)."""
    if found is None:
        return CodesChart([], [], [], [], [], None, "")
    shown = [of for of in found.trials if of.test_mse > 0]
    return CodesChart(
        lines=_lines(found.best),
        errors=[of.test_mse for of in shown],
        shares=[of.code.best for of in shown],
        numbers=[of.number for of in shown],
        widths=[of.hidden_width for of in shown],
        pixels=found.pixels.best,
        about=about_codes(found),
    )


def _lines(best: Sequence[ProbedTrial]) -> list[AccuracyLine]:
    widths, numbers = [of.hidden_width for of in best], [of.number for of in best]
    codes = [of.code for of in best]
    pcas = [of.pca for of in best]
    pixels = [of.pixels for of in best]
    lines = []
    for kind, told, of_trials, colour in (
        ("code", codes, numbers, style.BLUE),
        ("PCA code", pcas, [], style.GREY),
        ("pixels", pixels, [], style.ORANGE),
    ):
        linear, neighbours = [of.linear for of in told], [of.neighbours for of in told]
        lines.append(AccuracyLine(f"{kind}, linear", widths, linear, of_trials, colour, "solid"))
        lines.append(
            AccuracyLine(f"{kind}, neighbours", widths, neighbours, of_trials, colour, "dot")
        )
    return lines


def draw(chart: CodesChart) -> go.Figure:
    """Two charts, one below the other: over the width, and against the error."""
    drawn = style.figure(
        chart.title,
        column_named("hidden_width").axis_title,
        _AXIS,
        height=720,
    )
    if not chart.lines:
        return style.say(drawn, "No network is analysed yet.")
    for line in chart.lines:
        _draw_line(drawn, line)
    _draw_errors(drawn, chart)
    shares = {"title": {"text": _AXIS}, "tickformat": ".1~%", "maxallowed": 1.02}
    drawn.update_layout(
        showlegend=True,
        xaxis={"anchor": "y", **style.width_axis(chart.lines[0].widths)},
        yaxis={"domain": [0.56, 1.0], **shares},
        yaxis2={"domain": [0.0, 0.4], "anchor": "x2", **shares},
    )
    if chart.errors:
        title = {"title": {"text": column_named("test_mse").axis_title}}
        drawn.update_layout(xaxis2={"anchor": "y2", **title, **style.log_axis(chart.errors)})
    return drawn


def _draw_line(drawn: go.Figure, line: AccuracyLine) -> None:
    trial = "<b>Trial %{customdata}</b>, " if line.numbers else ""
    options: dict[str, Any] = {"customdata": line.numbers} if line.numbers else {}
    drawn.add_trace(
        go.Scatter(
            x=line.widths,
            y=line.shares,
            # Of a single width a line alone shows nothing.
            mode="lines+markers" if line.numbers or len(line.widths) == 1 else "lines",
            line={"color": line.colour, "width": 2, "dash": line.dash},
            marker={"symbol": "circle" if line.dash == "solid" else "circle-open", "size": 8},
            name=line.name,
            hovertemplate=f"{trial}%{{x}} units<br>{line.name}: %{{y:.1%}}<extra></extra>",
            **options,
        )
    )


def _draw_errors(drawn: go.Figure, chart: CodesChart) -> None:
    """One mark a trial; the dashed line is what the pixels tell."""
    n_marks = len(chart.errors)
    if not n_marks:
        return
    marker = {"color": style.BLUE, "size": 9, "line": {"color": style.FAINT, "width": 0.8}}
    drawn.add_trace(
        style.scatter(n_marks)(
            x=chart.errors,
            y=chart.shares,
            mode="markers",
            marker=style.among(n_marks, marker),
            customdata=chart.numbers,  # a click opens that trial
            text=[f"{width:,}" for width in chart.widths],
            xaxis="x2",
            yaxis="y2",
            name="all analysed codes",
            hovertemplate=(
                "<b>Trial %{customdata}</b>, %{text} units<br>error %{x:.4g}, "
                "label accuracy %{y:.1%}<extra></extra>"
            ),
        )
    )
    drawn.add_trace(
        go.Scatter(
            x=[min(chart.errors) / 10, max(chart.errors) * 10],
            y=[chart.pixels] * 2,
            mode="lines",
            line={"color": style.ORANGE, "width": 1.5, "dash": "dash"},
            xaxis="x2",
            yaxis="y2",
            name="pixels, the better",
            hovertemplate="the pixels tell %{y:.1%}<extra></extra>",
        )
    )


def _gather(reader: StudyReader) -> CodesChart | None:
    """How well classifiers tell the labels from the codes, over hidden width."""
    return gather(reader.probes) if reader.probes else None


def _rows(chart: CodesChart) -> Columns:
    return stacked(
        *(
            {"mark": line.name, "hidden_width": line.widths, "share": line.shares}
            | ({"trial": line.numbers} if line.numbers else {})
            for line in chart.lines
        ),
        {
            "mark": "analysed code, the better classifier",
            "hidden_width": chart.widths,
            "share": chart.shares,
            "trial": chart.numbers,
            "test_mse": chart.errors,
        },
    )


FIGURE = Figure(
    name="code",
    question="What do the codes tell of the labels?",
    needs="a trial whose network is analysed (`sweep analyse`)",
    gather=_gather,
    draw=draw,
    rows=_rows,
    finding=lambda chart: chart.about.partition(". ")[0],
    section=ReportSection.CODE,
    # The section says what would have it.
    panels=lambda reader: [Panel()] if reader.probes else [],
    pages=(Tab.WHY,),
)
