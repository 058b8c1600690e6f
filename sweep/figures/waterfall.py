"""The waterfall: from one configuration's error to another's, one trained change at a time."""

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Any, NamedTuple

import plotly.graph_objects as go

from sweep.analysis.explanation import ChangeEffect, Explanation, Step, geometric_mean
from sweep.analysis.study_explanation import StudyExplanation
from sweep.analysis.study_reader import StudyReader
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.figures import style
from sweep.figures.axes import round_ticks
from sweep.figures.figure import Columns, Figure, Panel, ReportSection, Tab
from sweep.findings.ablation import FORWARD, REVERSE, about_path, change_of, times

#: Letters per line of a label, so that a phone has room for bars next to it.
_LINE = 22
_FROM_TO = re.compile(r"\S+ → \S+")
_NO_BREAK = "\N{NO-BREAK SPACE}"
#: How many times beyond the errors an interval may extend the axis.
_STRETCH = 3.0


class Waterfall(NamedTuple):
    """The two ends of a path and a bar for each change between them."""

    title: str
    #: The first is the start of the path; the last is its end if the path is complete.
    labels: list[str]
    #: Each bar's error before and after; equal for an end.
    before: list[float]
    after: list[float]
    #: 90 % interval of the error after, given the one before; None for ends, and with one seed.
    low: list[float | None]
    high: list[float | None]
    #: The error before divided by the one after; None for an end.
    factors: list[float | None]
    hovers: list[str]
    #: What it shows, and what is missing; in words.
    about: str


def gather_waterfall(explained: StudyExplanation, *, reverse: bool = False) -> Waterfall:
    """Gather the path from the baseline, or with ``reverse`` the one back from the target."""
    found = explained.found
    path = found.reverse if reverse else found.forward
    ends = _ends(explained)
    if reverse:
        ends.reverse()
    bars: list[_Bar] = []
    (name, errors), (last, _) = ends
    if path.steps and errors is not None:
        error = geometric_mean(errors)
        bars.append(_end_bar(name, error))
        for step in path.steps:
            bars.append(_step_bar(found, step, error, reverse=reverse))
            error = step.error
        if not path.missing:
            # Equal labels would be one row: the target may have the baseline's name.
            last = last if last != name else f"{last} "
            bars.append(_end_bar(last, error))
    columns = [[getattr(bar, name) for bar in bars] for name in _Bar._fields]
    about = about_path(explained, reverse=reverse)
    return Waterfall._make([REVERSE if reverse else FORWARD, *columns, about])


def _ends(explained: StudyExplanation) -> list[tuple[str, Sequence[float] | None]]:
    """Return baseline and target, as labels, with their errors."""
    ends = explained.ends
    start = "Baseline" if ends.from_number is None else f"Trial {ends.from_number}"
    return [
        (start, explained.found.baseline_errors),
        (f"Trial {ends.to_number}", explained.found.target_errors),
    ]


class _Bar(NamedTuple):
    """A row of the chart: its fields are those of ``Waterfall``."""

    label: str
    before: float
    after: float
    low: float | None
    high: float | None
    factor: float | None
    hover: str


def _end_bar(label: str, error: float) -> _Bar:
    hover = f"{style.escape(label)}<br>{formats.number(error)}"
    return _Bar(label, error, error, None, None, None, hover)


def _step_bar(found: Explanation, step: Step, before: float, *, reverse: bool) -> _Bar:
    label = change_of(found, step, reverse=reverse)
    share = found.share(step.effect)
    lines = [
        f"<b>{style.escape(label)}</b>",
        f"{formats.number(before)} → {formats.number(step.error)}",
        times(step.effect, reverse=reverse),
        "" if share is None else f"{formats.percent(share)} of the total",
        f"chosen by {step.n_agree} of {len(step.errors)} seeds",
    ]
    low, high = _reach(before, step.effect, reverse=reverse)
    hover = "<br>".join(filter(None, lines))
    return _Bar(label, before, step.error, low, high, before / step.error, hover)


def _reach(
    before: float, factor: ChangeEffect, *, reverse: bool
) -> tuple[float | None, float | None]:
    if factor.low is None or factor.high is None:
        return None, None
    if reverse:  # undone, the error is the factor times as large
        return before * factor.low, before * factor.high
    return before / factor.high, before / factor.low


# --- drawing ------------------------------------------------------------------------------------


def draw_waterfall(chart: Waterfall) -> go.Figure:
    """Draw horizontal bars from error to error on a logarithmic axis, read from top to bottom."""
    ticks = [_tick(*row) for row in zip(chart.labels, chart.factors, strict=True)]
    row_height = 14 + 17 * max([2, *(1 + tick.count("<br>") for tick in ticks)])
    height = 136 + row_height * max(2, len(ticks))
    drawn = style.figure(height=height)
    # A phone has room for half of it per line next to the labels.
    drawn.update_xaxes(title_text=column_named("val_mse").axis_title.replace(" (", "<br>("))
    if not chart.labels:
        return style.say(drawn, chart.about or "Nothing has been trained for it yet.")
    chart = chart._replace(labels=[*map(style.escape, chart.labels)])
    _draw_links(drawn, chart)
    drawn.add_bar(
        base=chart.before,
        x=[after - before for before, after in zip(chart.before, chart.after, strict=True)],
        y=chart.labels,
        orientation="h",
        marker={"color": [_colour(factor) for factor in chart.factors]},
        customdata=chart.hovers,
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )
    _draw_ends(drawn, chart)
    _draw_reach(drawn, chart)
    drawn.update_layout(bargap=0.4, showlegend=False)
    drawn.update_xaxes(_axis(chart))
    return drawn.update_yaxes(
        autorange="reversed",
        showline=False,
        showgrid=False,
        tickcolor="rgba(0,0,0,0)",
        tickvals=chart.labels,
        ticktext=ticks,
    )


def _colour(factor: float | None) -> str:
    """Return blue for less error, the other colour for more."""
    if factor is None:
        return style.GREY
    return style.BLUE if factor >= 1 else style.VERMILLION


def _tick(label: str, factor: float | None) -> str:
    """Write the factor next to the bar rather than on it, where the interval is."""
    lines = [*map(style.escape, wrap(_FROM_TO.sub(_in_a_line, label), _LINE))]
    if factor is not None:
        worth = f"÷ {formats.number(factor)}" if factor >= 1 else f"× {formats.number(1 / factor)}"
        lines.append(f"<b>{worth}</b>")
    return "<br>".join(lines)


def _in_a_line(change: re.Match[str]) -> str:
    """Keep a change from breaking at its arrow, unless it takes more than a line."""
    return change[0].replace(" ", _NO_BREAK) if len(change[0]) <= _LINE else change[0]


def _draw_links(drawn: go.Figure, chart: Waterfall) -> None:
    """Draw a line from each error down to the bar that begins there."""
    x: list[float | None] = []
    y: list[str | None] = []
    for above, below, error in zip(chart.labels, chart.labels[1:], chart.after, strict=False):
        x += [error, error, None]
        y += [above, below, None]
    line = {"color": style.FAINT, "width": 1, "dash": "dot"}
    drawn.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _draw_ends(drawn: go.Figure, chart: Waterfall) -> None:
    ends = [place for place, factor in enumerate(chart.factors) if factor is None]
    drawn.add_scatter(
        x=[chart.after[place] for place in ends],
        y=[chart.labels[place] for place in ends],
        mode="markers",
        marker={"color": style.GREY, "size": 12, "symbol": "diamond"},
        customdata=[chart.hovers[place] for place in ends],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )


def _draw_reach(drawn: go.Figure, chart: Waterfall) -> None:
    """Draw each bar's end with its interval."""
    bars = [place for place, factor in enumerate(chart.factors) if factor is not None]
    ends = [chart.after[place] for place in bars]
    lows, highs = ([side[place] for place in bars] for side in (chart.low, chart.high))
    known = all(low is not None for low in lows)
    drawn.add_scatter(
        x=ends,
        y=[chart.labels[place] for place in bars],
        mode="markers",
        marker={"color": style.FAINT, "size": 5},
        error_x={
            "array": [(high or end) - end for high, end in zip(highs, ends, strict=True)],
            "arrayminus": [end - (low or end) for low, end in zip(lows, ends, strict=True)],
            "color": style.GREY,
            "thickness": 2,
            "width": 5,
            "visible": known,
        },
        hoverinfo="skip",
        showlegend=False,
    )


def _axis(chart: Waterfall) -> dict[str, Any]:
    """Cover the errors, and intervals unless they are too wide."""
    errors = [*chart.before, *chart.after]
    least, most = min(errors), max(errors)
    reach = [side for side in (*chart.low, *chart.high) if side is not None]
    inside = [min(max(side, least / _STRETCH), most * _STRETCH) for side in reach]
    axis = style.log_axis([*errors, *inside])
    if most <= 10 * least:
        return axis
    # A phone has no room for 1, 2 and 5 of several decades next to the labels.
    low, high = (10.0**end for end in axis["range"])
    return {**axis, "tickmode": "array", "tickvals": round_ticks(low, high)}


# --- in the registry ----------------------------------------------------------------------------


def _gather(reader: StudyReader, reverse: bool = False) -> Waterfall | None:
    """Ablation path from the baseline to the best trial, or back with ``reverse``."""
    found = reader.explanation
    return gather_waterfall(found, reverse=reverse) if found else None


def _rows(chart: Waterfall) -> Columns:
    return {
        "change": chart.labels,
        "val_mse_before": chart.before,
        "val_mse_after": chart.after,
        "low": chart.low,
        "high": chart.high,
        "factor": chart.factors,
    }


def _there_and_back(reader: StudyReader) -> list[Panel]:
    """Return a panel for each direction; none without a path: the section says how to get one."""
    if reader.explanation is None:
        return []
    return [Panel(id="waterfall"), Panel({"reverse": True}, "waterfall-back")]


def _describe(chart: Waterfall) -> str:
    """Name the significant change with the largest effect in the direction of the path.

    Empty without intervals.
    """
    is_back = chart.title == REVERSE
    bars = zip(chart.labels, chart.before, chart.low, chart.high, chart.factors, strict=True)
    known = [
        (label, low > before if is_back else high < before, 1 / factor if is_back else factor)
        for label, before, low, high, factor in bars
        if low is not None and high is not None and factor is not None
    ]
    if not known:
        return ""
    verb, sign = ("raises", "×") if is_back else ("lowers", "÷")
    told = [(times, label) for label, is_significant, times in known if is_significant]
    if not told:
        return f"{chart.title}: no change {verb} the error significantly"
    times, label = max(told)
    return f"{label} {verb} the error most: {sign} {formats.number(times)}"


FIGURE = Figure(
    name="ablation",
    question="How much does each change of settings contribute to the difference from the best?",
    title=lambda chart: chart.title,
    needs="an ablation path (`sweep explain --run`)",
    gather=_gather,
    draw=draw_waterfall,
    note=lambda chart: chart.about,
    rows=_rows,
    finding=_describe,
    section=ReportSection.CAUSES,
    panels=_there_and_back,
    pages=(Tab.WHY,),
)
