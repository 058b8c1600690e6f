"""What each of a few causes makes: alone, over all orders, and taken back, on one axis."""

from collections.abc import Sequence
from itertools import chain
from textwrap import wrap
from typing import Any, NamedTuple

import plotly.graph_objects as go

from sweep.analysis.explanation import ChangeEffect
from sweep.analysis.study_factorial import StudyFactorial
from sweep.analysis.study_reader import StudyReader
from sweep.catalogue import formats
from sweep.figures import style
from sweep.figures.axes import round_ticks
from sweep.figures.figure import Columns, Figure, Panel, ReportSection, Tab
from sweep.findings.factorial import (
    MORE_THAN_ALL,
    any_effect,
    factorial_sentences,
    sum_of_largest,
)

#: Letters of a label in a line, so that a phone has room for marks beside it.
_LINE = 22
#: Pixels of a row, at least, and of a line of its label.
_ROW_HEIGHT = 68
_LINE_HEIGHT = 17
#: How many times beyond the estimates an interval may stretch the axis.
_STRETCH = 3.0


class _Kind(NamedTuple):
    """One of the effects of a cause: how it is called and looks, and where in the row it is."""

    title: str
    colour: str
    symbol: str
    offset: float


_KINDS = {
    "alone": _Kind("alone", style.ORANGE, "circle", -0.27),
    "shapley": _Kind("Shapley", style.BLUE, "diamond", 0.0),
    "taken_back": _Kind("taken back", style.GREEN, "square", 0.27),
}


class FactorialMark(NamedTuple):
    """One effect of one cause."""

    cause: str
    change: str
    #: A key of ``_KINDS``.
    kind: str
    effect: ChangeEffect


class FactorialChart(NamedTuple):
    """Marks of the causes, the largest Shapley value first."""

    title: str
    marks: list[FactorialMark]
    about: str

    @property
    def causes(self) -> dict[str, str]:
        """The changes by cause, in the order of the rows."""
        return {mark.cause: mark.change for mark in self.marks}


def gather_factorial(analysis: StudyFactorial) -> FactorialChart | None:
    """Gather the effects that are known; None where none is."""
    found = analysis.found
    if not any_effect(found):
        return None
    marks = [
        FactorialMark(of.cause.name, of.cause.text, kind, effect)
        for of in found.by_size
        for kind in _KINDS
        if (effect := getattr(of, kind)) is not None
    ]
    return FactorialChart(_title(analysis), marks, " ".join(factorial_sentences(analysis)))


def _title(analysis: StudyFactorial) -> str:
    found = analysis.found
    share = sum_of_largest(found)
    if not found.largest or found.whole is None:
        return "By what each cause divides the error, alone and taken back"
    whole = f"the error {_factor(found.whole.estimate)}"
    if share is None:
        return f"No cause has a significant effect on {whole}"
    *others, last = [of.cause.name for of in found.largest]
    named = f"{', '.join(others)}, and {last}" if others else last
    if share > MORE_THAN_ALL:
        part = "More than all of"
    elif share > 1 / 2:
        part = "Most of"
    else:
        part = "The largest part of"
    return f"{part} {whole} comes from {named}"


# --- drawing ------------------------------------------------------------------------------------


def draw_factorial(chart: FactorialChart) -> go.Figure:
    """Draw a row of three dots a cause, on a logarithmic axis of effects."""
    places = {cause: place for place, cause in enumerate(chart.causes)}
    labels = [_label(cause, change) for cause, change in chart.causes.items()]
    n_lines = max(1 + label.count("<br>") for label in labels)
    height = 120 + max(_ROW_HEIGHT, 8 + _LINE_HEIGHT * n_lines) * max(2, len(places))
    drawn = style.figure("Error without ÷ with", height=height)
    drawn.add_vline(x=1.0, line={"color": style.GREY, "width": 1, "dash": "dot"})
    axis = _axis(chart)
    for kind in _KINDS:
        _draw_kind(drawn, [of for of in chart.marks if of.kind == kind], kind, places)
    _draw_numbers(drawn, chart, places, 10.0 ** (sum(axis["range"]) / 2))
    drawn.update_xaxes(axis)
    return drawn.update_yaxes(
        range=[len(places) - 0.4, -0.6],
        showline=False,
        showgrid=False,
        tickcolor="rgba(0,0,0,0)",
        tickvals=[*places.values()],
        ticktext=labels,
    )


def _draw_kind(
    drawn: go.Figure, marks: Sequence[FactorialMark], key: str, places: dict[str, int]
) -> None:
    kind = _KINDS[key]
    y = [places[of.cause] + kind.offset for of in marks]
    estimates = [of.effect.estimate for of in marks]
    lows, highs = ([*map(side, marks)] for side in (_low, _high))
    error = {
        "array": [high - of for of, high in zip(estimates, highs, strict=True)],
        "arrayminus": [of - low for of, low in zip(estimates, lows, strict=True)],
        "color": kind.colour,
        "thickness": 1.5,
        "width": 4,
        "visible": any(of.effect.low is not None for of in marks),
    }
    drawn.add_scatter(
        x=estimates,
        y=y,
        mode="markers",
        marker={"color": kind.colour, "symbol": kind.symbol, "size": 10},
        error_x=error,
        customdata=[_hover(of) for of in marks],
        hovertemplate="%{customdata}<extra></extra>",
        name=kind.title,
    )


def _draw_numbers(
    drawn: go.Figure, chart: FactorialChart, places: dict[str, int], middle: float
) -> None:
    """Write each effect beside its mark, on the side that has more room."""
    is_left = [of.effect.estimate > middle for of in chart.marks]
    sides = zip(chart.marks, is_left, strict=True)
    drawn.add_scatter(
        x=[_low(of) if left else _high(of) for of, left in sides],
        y=[places[of.cause] + _KINDS[of.kind].offset for of in chart.marks],
        mode="text",
        text=[f"  {_factor(of.effect.estimate)}  " for of in chart.marks],
        textposition=["middle left" if left else "middle right" for left in is_left],
        textfont={"color": [_KINDS[of.kind].colour for of in chart.marks], "size": 12},
        hoverinfo="skip",
        showlegend=False,
    )


def _low(mark: FactorialMark) -> float:
    return mark.effect.estimate if mark.effect.low is None else mark.effect.low


def _high(mark: FactorialMark) -> float:
    return mark.effect.estimate if mark.effect.high is None else mark.effect.high


def _factor(effect: float) -> str:
    """Write by what the error is divided: ÷ 5.10, or × 1.59 where it rises."""
    return f"÷ {formats.number(effect)}" if effect >= 1 else f"× {formats.number(1 / effect)}"


def _hover(mark: FactorialMark) -> str:
    estimate, low, high = mark.effect
    reach = "" if low is None else f" ({formats.number(low)} to {formats.number(high)})"
    return "<br>".join(
        [
            f"<b>{style.escape(mark.change)}</b>",
            f"{_KINDS[mark.kind].title}: {formats.number(estimate)} times less{reach}",
        ]
    )


def _label(cause: str, change: str) -> str:
    names = [f"<b>{style.escape(line)}</b>" for line in wrap(cause.capitalize(), _LINE)]
    return "<br>".join([*names, *map(style.escape, wrap(change, _LINE))])


def _axis(chart: FactorialChart) -> dict[str, Any]:
    """Over the estimates and no effect, and over intervals unless they are of no use."""
    estimates = [1.0, *(of.effect.estimate for of in chart.marks)]
    least, most = min(estimates) / _STRETCH, max(estimates) * _STRETCH
    sides = chain(map(_low, chart.marks), map(_high, chart.marks))
    inside = [min(max(side, least), most) for side in sides]
    axis = style.log_axis([*estimates, *inside], pad=0.1)
    if max(estimates) <= 10 * min(estimates):
        return axis
    # Beside the labels a phone has no room for 1, 2 and 5 of several decades.
    low, high = (10.0**end for end in axis["range"])
    return {**axis, "tickmode": "array", "tickvals": round_ticks(low, high)}


# --- in the registry ----------------------------------------------------------------------------


def _gather(reader: StudyReader) -> FactorialChart | None:
    """Factorial analysis from the baseline to the best trial."""
    found = reader.factorial
    return gather_factorial(found) if found else None


def _rows(chart: FactorialChart) -> Columns:
    return {
        "cause": [of.cause for of in chart.marks],
        "change": [of.change for of in chart.marks],
        "effect": [of.kind for of in chart.marks],
        "estimate": [of.effect.estimate for of in chart.marks],
        "low": [of.effect.low for of in chart.marks],
        "high": [of.effect.high for of in chart.marks],
    }


FIGURE = Figure(
    name="factorial",
    question="How much does each cause contribute to the difference from the best, in any order?",
    title=lambda chart: chart.title,
    needs="every combination of at most five causes (`sweep explain --factorial --run`)",
    gather=_gather,
    draw=draw_factorial,
    note=lambda chart: chart.about,
    rows=_rows,
    section=ReportSection.CAUSES,
    # Without one the section says what would train it.
    panels=lambda reader: [] if reader.factorial is None else [Panel()],
    pages=(Tab.WHY,),
)
