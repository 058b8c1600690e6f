"""Chart the learning front: the share of each principal component that is still missing."""

from collections.abc import Mapping, Sequence
from math import log10
from typing import Annotated, NamedTuple

import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from pydantic import Field

from sweep.analysis.spectrum import HALF, Spectrum
from sweep.analysis.study_reader import StudyReader
from sweep.analysis.verdict import baseline_number
from sweep.figures import style
from sweep.figures.figure import Columns, Figure, ReportSection, Tab, Trials, stack
from sweep.findings.configurations import short_name
from sweep.findings.spectrum import front_sentence
from sweep.messages import SpectrumBands
from sweep.store.records import SpectrumPoint, TrialRow

#: Maximum number of lines of one trial: its epochs, about evenly spaced on a log scale.
_MOST_EPOCHS = 8
#: Smaller shares would stretch the axis.
_LEAST = 1e-6
#: From the first epoch to the last.
_SCALE = [style.ORANGE, style.VERMILLION, style.PURPLE, style.BLUE]


class FrontLine(NamedTuple):
    """Missing shares after one epoch of a trial, by band."""

    label: str
    trial: int
    epoch: int
    #: The middle component of each band.
    components: list[float]
    missing: list[float]
    #: First and last component of each band.
    spans: list[tuple[int, int]]
    colour: str


class FrontChart(NamedTuple):
    """Lines of the epochs of one trial, or of the last epochs of several."""

    lines: list[FrontLine]
    n_components: int
    about: str = ""


def gather_front(
    rows: Sequence[TrialRow],
    bands: SpectrumBands | None,
    spectra: Mapping[int, Sequence[SpectrumPoint]],
    baseline: int | None = None,
) -> FrontChart | None:
    """Gather a line per epoch of one trial, or a line per trial; None if none was measured."""
    found = [
        (row, spectrum)
        for row in rows
        if (spectrum := Spectrum.of(bands, spectra.get(row.number, ()))) is not None
    ]
    if not found:
        return None
    row, spectrum = found[0]
    if len(found) == 1:
        return front_of_trial(row.number, spectrum)
    colours = style.trial_colours([row.number for row in rows], baseline)
    lines = [
        _line(
            of,
            of.points[-1],
            row.number,
            _label(row, is_baseline=row.number == baseline),
            colours[row.number],
        )
        for row, of in found
    ]
    return FrontChart(lines, spectrum.n_components)


def front_of_trial(number: int, spectrum: Spectrum) -> FrontChart:
    """Gather a line per epoch of one trial."""
    points = chosen_epochs(spectrum.points)
    last = max(1, len(points) - 1)
    colours = sample_colorscale(_SCALE, [place / last for place in range(len(points))])
    lines = [
        _line(spectrum, point, number, f"epoch {point.epoch}", colour)
        for point, colour in zip(points, colours, strict=True)
    ]
    return FrontChart(lines, spectrum.n_components, front_sentence(spectrum))


def chosen_epochs(points: Sequence[SpectrumPoint]) -> list[SpectrumPoint]:
    """Choose the first and the last epoch, and some between at about equal distances in log."""
    if len(points) <= _MOST_EPOCHS:
        return list(points)
    ratio = len(points) ** (1 / (_MOST_EPOCHS - 1))
    places = {min(len(points), max(1, round(ratio**i))) - 1 for i in range(_MOST_EPOCHS)}
    return [points[place] for place in sorted(places)]


def _label(row: TrialRow, *, is_baseline: bool) -> str:
    return f"trial {row.number}: {'the baseline' if is_baseline else short_name(row)}"


def _line(
    spectrum: Spectrum, point: SpectrumPoint, trial: int, label: str, colour: str
) -> FrontLine:
    return FrontLine(
        label=label,
        trial=trial,
        epoch=point.epoch,
        components=[band.centre for band in spectrum.bands],
        missing=spectrum.missing(point),
        spans=[(band.first, band.last) for band in spectrum.bands],
        colour=colour,
    )


def draw_front(chart: FrontChart) -> go.Figure:
    """Draw the missing share by component on log axes; dashed at one half."""
    drawn = style.figure(
        "Principal component, largest variance first", "Share of its variance missing"
    )
    for line in chart.lines:
        _draw_line(drawn, line)
    drawn.add_hline(y=HALF, line={"color": style.GREY, "width": 1.5, "dash": "dash"})
    drawn.update_layout(showlegend=len(chart.lines) > 1)
    across = style.log_axis([1, chart.n_components])
    drawn.update_xaxes(across | {"range": [0, log10(1.1 * chart.n_components)]})
    shares = [max(_LEAST, share) for line in chart.lines for share in line.missing]
    return drawn.update_yaxes(style.log_axis([*shares, HALF]))


def _draw_line(drawn: go.Figure, line: FrontLine) -> None:
    label = style.escape(line.label)
    spans = [f"{a:,}" if a == b else f"{a:,} to {b:,}" for a, b in line.spans]
    drawn.add_scatter(
        x=line.components,
        y=[max(_LEAST, share) for share in line.missing],
        customdata=list(zip(spans, line.missing, strict=True)),
        mode="lines+markers",
        line={"color": line.colour, "width": 2},
        marker={"size": 5},
        name=label,
        hovertemplate=(
            f"{label}<br>components %{{customdata[0]}}: %{{customdata[1]:.3g}} missing"
            "<extra></extra>"
        ),
    )


def _gather(
    reader: StudyReader,
    trials: Trials = (),
    n: Annotated[int, Field(ge=1, le=len(style.PALETTE))] = 1,
) -> FrontChart | None:
    """Epochs of the best trial, or ends of the ``n`` best; the same of one or more ``trials``."""
    rows = reader.trials(trials) if trials else reader.best(n)
    spectra = reader.study.spectra([row.number for row in rows])
    bands = reader.record.spectrum_bands
    return gather_front(rows, bands, spectra, baseline_number(reader.table))


def _rows(chart: FrontChart) -> Columns:
    return stack(
        *(
            {
                "trial": line.trial,
                "epoch": line.epoch,
                "first_component": [first for first, _ in line.spans],
                "last_component": [last for _, last in line.spans],
                "missing": line.missing,
            }
            for line in chart.lines
        )
    )


FIGURE = Figure(
    name="front",
    question="Which principal components has the network learned, and how far?",
    title="What is still missing, by principal component",
    needs="a trial whose error spectrum was measured (`study.spectrum`)",
    gather=_gather,
    draw=draw_front,
    note=lambda chart: chart.about,
    rows=_rows,
    section=ReportSection.CAUSES,
    pages=(Tab.WHY, Tab.TRIAL, Tab.COMPARE),
)
