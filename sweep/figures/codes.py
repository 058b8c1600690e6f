"""How well codes predict the labels, by width, beside PCA, random projections and the pixels."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from sweep.analysis.probe_summary import (
    Accuracy,
    Classifier,
    FeatureKind,
    ProbedTrial,
    ProbeSummary,
)
from sweep.analysis.study_reader import StudyReader
from sweep.figures import style
from sweep.figures.figure import Columns, Figure, Panel, ReportSection, Tab, stack
from sweep.findings.probes import CLASSIFIERS, KINDS, about_codes, accuracy_text

_COLOURS = {
    FeatureKind.CODE: style.BLUE,
    FeatureKind.PCA: style.VERMILLION,
    FeatureKind.RANDOM: style.GREY,
    FeatureKind.PIXELS: style.ORANGE,
}


class AccuracyLine(NamedTuple):
    """Accuracies of one classifier, with all labels, from one kind of features."""

    kind: FeatureKind
    classifier: Classifier
    widths: list[int]
    accuracies: list[Accuracy]
    #: Numbers of the trials; empty for features that belong to no trial.
    numbers: list[int]

    @property
    def name(self) -> str:
        """What it is of."""
        return f"{KINDS[self.kind]}, {CLASSIFIERS[self.classifier]}"


class CodesChart(NamedTuple):
    """What the chart says."""

    #: Over the width, of the best trial of each: by the better read-out and by nearest images.
    lines: list[AccuracyLine]
    about: str


def gather(found: ProbeSummary | None) -> CodesChart:
    """Gather what a study's codes tell (``analysis.study_probes``)."""
    if found is None:
        return CodesChart([], "")
    classifiers = (found.readout, Classifier.NEIGHBOURS)
    lines = [_line(found.best, kind, of) for of in classifiers for kind in FeatureKind]
    return CodesChart(lines, about_codes(found))


def _line(best: Sequence[ProbedTrial], kind: FeatureKind, classifier: Classifier) -> AccuracyLine:
    return AccuracyLine(
        kind=kind,
        classifier=classifier,
        widths=[of.hidden_width for of in best],
        accuracies=[of.accuracy(kind, classifier) for of in best],
        numbers=[of.number for of in best] if kind is FeatureKind.CODE else [],
    )


def draw(chart: CodesChart) -> go.Figure:
    """Draw a line for each classifier and kind of features, with standard errors."""
    drawn = style.figure("hidden_width", "Label accuracy", height=520)
    if not chart.lines:
        return style.say(drawn, "No network is analysed yet.")
    for line in chart.lines:
        _draw_line(drawn, line)
    every = [of.share for line in chart.lines for of in line.accuracies]
    pad = max(0.01, 0.06 * (max(every) - min(every)))
    low, high = min(every) - pad, max(every) + pad
    return drawn.update_layout(
        showlegend=True,
        xaxis=style.width_axis(chart.lines[0].widths),
        yaxis={"tickformat": ".1~%", "range": [low, high]},
    )


def _draw_line(drawn: go.Figure, line: AccuracyLine) -> None:
    trial = "<b>Trial %{customdata}</b>, " if line.numbers else ""
    options: dict[str, Any] = {"customdata": line.numbers} if line.numbers else {}
    colour, is_solid = _COLOURS[line.kind], line.classifier is not Classifier.NEIGHBOURS
    drawn.add_scatter(
        x=line.widths,
        y=[of.share for of in line.accuracies],
        error_y={
            "array": [of.standard_error for of in line.accuracies],
            "thickness": 1.2,
            "width": 3,
        },
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": "solid" if is_solid else "dot"},
        marker={"symbol": "circle" if is_solid else "circle-open", "size": 7},
        name=line.name,
        text=[accuracy_text(of) for of in line.accuracies],
        hovertemplate=f"{trial}%{{x}} units<br>{line.name}: %{{text}}<extra></extra>",
        **options,
    )


def _gather(reader: StudyReader) -> CodesChart | None:
    """How well classifiers predict the labels from the codes, over hidden width."""
    return gather(reader.probes) if reader.probes else None


def _rows(chart: CodesChart) -> Columns:
    return stack(
        *(
            {
                "features": line.kind.value,
                "classifier": line.classifier.value,
                "hidden_width": line.widths,
                "share": [of.share for of in line.accuracies],
                "standard_error": [of.standard_error for of in line.accuracies],
            }
            | ({"trial": line.numbers} if line.numbers else {})
            for line in chart.lines
        )
    )


FIGURE = Figure(
    name="code",
    question="How well do the codes predict the labels?",
    title="How well the code predicts the labels",
    needs="a trial whose network is analysed (`sweep analyse`)",
    gather=_gather,
    draw=draw,
    note=lambda chart: chart.about,
    rows=_rows,
    finding=lambda chart: chart.about.partition(". ")[0],
    section=ReportSection.CODE,
    # The section says what would have it.
    panels=lambda reader: [Panel()] if reader.probes else [],
    pages=(Tab.WHY,),
)
