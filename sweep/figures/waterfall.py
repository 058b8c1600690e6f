"""The waterfall: from one configuration's error to another's, one trained change at a time."""

import re
from collections.abc import Sequence
from shlex import quote
from textwrap import wrap
from typing import Any, NamedTuple

import plotly.graph_objects as go

from sweep.analysis.explanation import Explanation, Factor, Path, Step, geometric_mean
from sweep.analysis.study_explanation import StudyExplanation, baseline_words, command_of
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import count
from sweep.figures import style, words

#: Letters of a label in a line, so that a phone has room for bars beside it.
_LINE = 22
_FROM_TO = re.compile(r"\S+ → \S+")
_NO_BREAK = "\N{NO-BREAK SPACE}"
#: How many times beyond the errors an interval may stretch the axis.
_STRETCH = 3.0


class Waterfall(NamedTuple):
    """What the chart says: its two ends and a bar for each change between them."""

    title: str
    #: The first is where the path begins, the last, where it is whole, where it ends.
    labels: list[str]
    #: Each bar's error before and after; the same for an end.
    before: list[float]
    after: list[float]
    #: 90 % of the error after, given the one before; None for ends, and with one seed.
    low: list[float | None]
    high: list[float | None]
    #: The error before over the one after; None for an end.
    factors: list[float | None]
    hovers: list[str]
    #: What it says, and what is missing of it; in words.
    about: str


def gather_waterfall(explained: StudyExplanation, *, reverse: bool = False) -> Waterfall:
    """The path from the baseline, or with ``reverse`` the one back from the target."""
    found = explained.found
    path = found.reverse if reverse else found.forward
    ends = _ends(explained)
    if reverse:
        ends.reverse()
    bars = _Bars()
    (name, errors), (last, _) = ends
    if path.steps and errors is not None:
        error = geometric_mean(errors)
        bars.add_end(name, error)
        for step in path.steps:
            bars.add(found, step, error, reverse=reverse)
            error = step.error
        if not path.missing:
            bars.add_end(last, error)
    return Waterfall(
        "Undone again, change by change" if reverse else "Where the error goes, change by change",
        *(bars.labels, bars.before, bars.after, bars.low, bars.high, bars.factors, bars.hovers),
        _about(explained, path, reverse=reverse),
    )


def _ends(explained: StudyExplanation) -> list[tuple[str, Sequence[float] | None]]:
    """Baseline and target, as labels, with their errors."""
    ends = explained.ends
    start = "Baseline" if ends.from_number is None else f"Trial {ends.from_number}"
    return [
        (start, explained.found.baseline_errors),
        (f"Trial {ends.to_number}", explained.found.target_errors),
    ]


class _Bars:
    """The chart's columns while they are filled."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.before: list[float] = []
        self.after: list[float] = []
        self.low: list[float | None] = []
        self.high: list[float | None] = []
        self.factors: list[float | None] = []
        self.hovers: list[str] = []

    def add_end(self, label: str, error: float) -> None:
        self._add(label, error, error, None, None, None)
        self.hovers.append(f"{style.escaped(label)}<br>{words.number(error)}")

    def add(self, found: Explanation, step: Step, before: float, *, reverse: bool) -> None:
        label = _change(found, step, reverse=reverse)
        low, high = _reach(before, step.factor, reverse=reverse)
        self._add(label, before, step.error, low, high, before / step.error)
        share = found.share(step.factor)
        lines = [
            f"<b>{style.escaped(label)}</b>",
            f"{words.number(before)} → {words.number(step.error)}",
            f"{_factor(step.factor, reverse=reverse)}",
            "" if share is None else f"{words.percent(share)} of the whole",
            f"chosen by {step.n_agree} of {len(step.errors)} seeds",
        ]
        self.hovers.append("<br>".join(filter(None, lines)))

    def _add(
        self,
        label: str,
        before: float,
        after: float,
        low: float | None,
        high: float | None,
        factor: float | None,
    ) -> None:
        # A label twice would be one row: the target may be called as the baseline is.
        label = label if label not in self.labels else f"{label} "
        self.labels.append(label)
        self.before.append(before)
        self.after.append(after)
        self.low.append(low)
        self.high.append(high)
        self.factors.append(factor)


def _reach(before: float, factor: Factor, *, reverse: bool) -> tuple[float | None, float | None]:
    if factor.low is None or factor.high is None:
        return None, None
    if reverse:  # undone, the error is the factor times as large
        return before * factor.low, before * factor.high
    return before / factor.high, before / factor.low


def _change(found: Explanation, step: Step, *, reverse: bool) -> str:
    """What a step changes, in the path's own direction."""
    causes = {of.name: of.undone if reverse else of for of in found.causes}
    return ", ".join(causes[name].text for name in step.causes)


def _factor(factor: Factor, noun: str = "error", *, reverse: bool = False) -> str:
    """``5.10 times less error (4.80 to 5.40)``; of an undoing, by how much more."""
    parts = [factor.estimate, factor.low, factor.high]
    is_less = (factor.estimate >= 1) != reverse
    if factor.estimate < 1:
        parts = [None if part is None else 1 / part for part in (parts[0], parts[2], parts[1])]
    estimate, low, high = parts
    interval = "" if low is None else f" ({words.number(low)} to {words.number(high)})"
    return f"{words.number(estimate)} times {'less' if is_less else 'more'} {noun}{interval}"


# --- in words -----------------------------------------------------------------------------------


def _about(explained: StudyExplanation, path: Path, *, reverse: bool) -> str:
    found = explained.found
    if found.diverged:
        return f"Training of the {' and of the '.join(found.diverged)} diverged."
    said = [] if reverse else [_whole(explained), _not_of_the_best(explained)]
    if path.steps:
        said.append(_first(found, path.steps[0], reverse=reverse))
        said.append(_largest(found, path, reverse=reverse))
    if path.missing:
        again = f"{command_of(explained.ends, explained.n_seeds)} --run"
        said.append(f"Not whole yet: `{again}` trains the rest.")
    elif path.steps:
        said += [_within_chance(found, path, reverse=reverse), _agreement(path)]
    return " ".join(filter(None, said))


def _whole(explained: StudyExplanation) -> str:
    whole = explained.found.whole
    if whole is None:
        return ""
    chance = " That is not told from no difference." if whole.may_be_chance else ""
    return (
        f"Trial {explained.ends.to_number} has {_factor(whole, 'validation error')} than "
        f"{baseline_words(explained.ends)}, both trained anew with "
        f"{count(explained.n_seeds, 'seed')}; ranges are 90 % intervals over them.{chance}"
    )


def _not_of_the_best(explained: StudyExplanation) -> str:
    if explained.other_best is None:
        return ""
    command = f"sweep explain {quote(explained.ends.study)} --to {explained.other_best} --run"
    return (
        f"This explains trial {explained.ends.to_number}; the best now is trial "
        f"{explained.other_best}, which `{command}` explains."
    )


def _first(found: Explanation, step: Step, *, reverse: bool) -> str:
    lead = "What hurts most when undone alone is" if reverse else "What helps most alone is"
    share = found.share(step.factor)
    part = "" if share is None else f", {words.percent(share)} of the whole on a logarithmic scale"
    change = _change(found, step, reverse=reverse)
    return f"{lead} {change}: {_factor(step.factor, reverse=reverse)}{part}."


def _largest(found: Explanation, path: Path, *, reverse: bool) -> str:
    """The step that does most, where it is a later one: others had to come before it."""
    largest = max(path.steps, key=lambda step: step.factor.estimate)
    if largest is path.steps[0]:
        return ""
    change = _change(found, largest, reverse=reverse)
    times = _factor(largest.factor, reverse=reverse)
    return f"The largest step, after those before it, is {change}: {times}."


def _within_chance(found: Explanation, path: Path, *, reverse: bool) -> str:
    """Changes whose intervals hold no change at all."""
    unclear = [
        _change(found, step, reverse=reverse) for step in path.steps if step.factor.may_be_chance
    ]
    return f"Not told from no change: {'; '.join(unclear)}." if unclear else ""


def _agreement(path: Path) -> str:
    n_seeds = len(path.steps[0].errors)
    if n_seeds == 1:
        return "One seed tells nothing of chance."
    return f"{path.n_agree} of {n_seeds} seeds have this whole order."


# --- drawing ------------------------------------------------------------------------------------


def draw_waterfall(chart: Waterfall) -> go.Figure:
    """Horizontal bars from error to error on a logarithmic axis, read from top to bottom."""
    ticks = [_tick(*row) for row in zip(chart.labels, chart.factors, strict=True)]
    row_height = 14 + 17 * max([2, *(1 + tick.count("<br>") for tick in ticks)])
    height = 136 + row_height * max(2, len(ticks))
    drawn = style.figure(chart.title, "", "", height=height)
    # Beside the labels a phone has room for half of it in a line.
    drawn.update_xaxes(title_text=column_named("val_mse").axis_title.replace(" (", "<br>("))
    if not chart.labels:
        return style.say(drawn, chart.about or "Nothing has been trained for it yet.")
    chart = chart._replace(labels=[*map(style.escaped, chart.labels)])
    _draw_links(drawn, chart)
    drawn.add_trace(
        go.Bar(
            base=chart.before,
            x=[after - before for before, after in zip(chart.before, chart.after, strict=True)],
            y=chart.labels,
            orientation="h",
            marker={"color": [_colour(factor) for factor in chart.factors]},
            customdata=chart.hovers,
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
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
    """Blue to less error, the other to more."""
    if factor is None:
        return style.GREY
    return style.BLUE if factor >= 1 else style.VERMILLION


def _tick(label: str, factor: float | None) -> str:
    """Beside the bar rather than on it, where the interval is."""
    lines = [*map(style.escaped, wrap(_FROM_TO.sub(_in_a_line, label), _LINE))]
    if factor is not None:
        worth = f"÷ {words.number(factor)}" if factor >= 1 else f"× {words.number(1 / factor)}"
        lines.append(f"<b>{worth}</b>")
    return "<br>".join(lines)


def _in_a_line(change: re.Match[str]) -> str:
    """Not broken at its arrow, unless it takes more than a line."""
    return change[0].replace(" ", _NO_BREAK) if len(change[0]) <= _LINE else change[0]


def _draw_links(drawn: go.Figure, chart: Waterfall) -> None:
    """From each error down to the bar that begins there."""
    x: list[float | None] = []
    y: list[str | None] = []
    for above, below, error in zip(chart.labels, chart.labels[1:], chart.after, strict=False):
        x += [error, error, None]
        y += [above, below, None]
    line = {"color": style.FAINT, "width": 1, "dash": "dot"}
    drawn.add_trace(
        go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    )


def _draw_ends(drawn: go.Figure, chart: Waterfall) -> None:
    ends = [place for place, factor in enumerate(chart.factors) if factor is None]
    drawn.add_trace(
        go.Scatter(
            x=[chart.after[place] for place in ends],
            y=[chart.labels[place] for place in ends],
            mode="markers",
            marker={"color": style.GREY, "size": 12, "symbol": "diamond"},
            customdata=[chart.hovers[place] for place in ends],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
    )


def _draw_reach(drawn: go.Figure, chart: Waterfall) -> None:
    """Each bar's end with its interval."""
    bars = [place for place, factor in enumerate(chart.factors) if factor is not None]
    ends = [chart.after[place] for place in bars]
    lows, highs = ([side[place] for place in bars] for side in (chart.low, chart.high))
    known = all(low is not None for low in lows)
    drawn.add_trace(
        go.Scatter(
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
    )


def _axis(chart: Waterfall) -> dict[str, Any]:
    """Over the errors, and over intervals unless they are of no use."""
    errors = [*chart.before, *chart.after]
    least, most = min(errors), max(errors)
    reach = [side for side in (*chart.low, *chart.high) if side is not None]
    inside = [min(max(side, least / _STRETCH), most * _STRETCH) for side in reach]
    axis = style.log_axis([*errors, *inside])
    # Beside the labels a phone has no room for 2 and 5 of several decades.
    return {**axis, "dtick": 1} if most > 10 * least else axis
