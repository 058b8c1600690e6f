"""Chart which worker trained which trial, when: one line per worker."""

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sweep.analysis.study_reader import StudyReader
from sweep.catalogue import formats
from sweep.figures import axes, style, words
from sweep.figures.figure import Columns, Figure, ReportSection, Side, Span, Tab, stack
from sweep.store.table import Choices, Numbers, TrialTable

_COLOURS = {
    "COMPLETE": style.BLUE,
    "PRUNED": style.SKY,
    "FAIL": style.VERMILLION,
}
#: More bars are slow to draw, and too thin to distinguish.
_MAX_BARS = 2_000
_N_STRETCHES = 200


class TimelineBars(NamedTuple):
    """n trials, each on its last worker."""

    numbers: NDArray[np.int64]  # (n,)
    workers: Choices  # (n,)
    states: Choices  # (n,)
    #: Since the study's first trial started.
    start_seconds: Numbers  # (n,)
    seconds: Numbers  # (n,)
    hover: list[str] | None


class Busy(NamedTuple):
    """How busy W workers were in T equal intervals of time."""

    workers: list[str]
    #: The middle of each interval, since the study's first trial started.
    seconds: NDArray[np.float64]  # (T,)
    #: Share of the interval in which the worker trained at least one trial.
    shares: NDArray[np.float64]  # (W, T)


class Timeline(NamedTuple):
    """Trials as bars or, if they are too many, how busy the workers were."""

    #: When the study's first trial started.
    first: float
    bars: TimelineBars
    busy: Busy | None
    #: What is shown if not a bar per trial; in words.
    about: str

    @property
    def names(self) -> tuple[str, ...]:
        """The workers, from the lowest line to the highest."""
        codes = np.unique(self.bars.workers.codes).tolist()
        names = [str(self.bars.workers.names[code]) for code in codes]
        return tuple(sorted(self.busy.workers if self.busy else names, reverse=True))


def gather_timeline(table: TrialTable, between: tuple[float, float] | None = None) -> Timeline:
    """Gather the trials that have begun and ended on a known worker.

    ``between`` keeps those that overlap a span of seconds since the first trial started.
    """
    known = (table.workers.codes >= 0) & np.isfinite(table.started) & np.isfinite(table.ended)
    begun = table.where(known)
    first = float(begun.started.min(initial=np.inf))
    low, high = between or (-np.inf, np.inf)
    shown = begun.where((begun.ended - first >= low) & (begun.started - first <= high))
    if len(shown) <= _MAX_BARS:
        return Timeline(first, _bars(shown, first), None, "")
    bars = _bars(shown, first)
    ends = bars.start_seconds + bars.seconds
    busy = _busy(bars, max(low, bars.start_seconds.min()), min(high, ends.max()))
    about = (
        f"{len(shown):,} trials: the share of its time that each worker trained, in "
        f"{_N_STRETCHES} stretches of {formats.duration(float(np.diff(busy.seconds[:2])[0]))}."
    )
    no_bars = _bars(shown.where(np.zeros(len(shown), dtype=bool)), first)
    return Timeline(first, no_bars, busy, about)


def _bars(table: TrialTable, first: float) -> TimelineBars:
    return TimelineBars(
        numbers=table.numbers,
        workers=table.workers,
        states=table.states,
        start_seconds=table.started - first,
        seconds=table.ended - table.started,
        hover=words.hovers(table),
    )


def _busy(bars: TimelineBars, low: float, high: float) -> Busy:
    edges = np.linspace(low, high, _N_STRETCHES + 1)
    ends = bars.start_seconds + bars.seconds
    shares = {}
    for code in np.unique(bars.workers.codes):
        rows = bars.workers.codes == code
        trained = _trained_until(edges, bars.start_seconds[rows], ends[rows])
        shares[str(bars.workers.names[code])] = np.diff(trained) / np.diff(edges)
    names = sorted(shares)
    return Busy(names, (edges[:-1] + edges[1:]) / 2, np.array([shares[name] for name in names]))


def _trained_until(
    times: NDArray[np.float64],  # (T,)
    starts: Numbers,  # (n,)
    ends: Numbers,  # (n,)
) -> NDArray[np.float64]:
    """Return the seconds before each time in which a worker trained; trials may overlap."""
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    begins = np.maximum(starts, np.concatenate([starts[:1], ends[:-1]]))  # of the uncovered part
    covered = np.cumsum(np.maximum(ends - begins, 0.0))
    before = covered - np.maximum(ends - begins, 0.0)
    corners = np.column_stack([np.minimum(begins, ends), ends]).ravel()
    trained: NDArray[np.float64] = np.interp(
        times, corners, np.column_stack([before, covered]).ravel()
    )
    return trained


def draw_timeline(timeline: Timeline) -> go.Figure:
    """Draw a bar for each trial, or for many a cell for each interval, darker if busier."""
    bars, busy = timeline.bars, timeline.busy
    height = 150 + 36 * len(timeline.names)
    drawn = style.figure("Seconds since the first trial", height=height)
    if busy is not None:
        _draw_busy(drawn, busy)
    else:
        _draw_bars(drawn, bars)
    return drawn.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=[*map(style.escape, timeline.names)],
    )


def _draw_bars(drawn: go.Figure, bars: TimelineBars) -> None:
    names = np.array([style.escape(str(name)) for name in bars.workers.names])[bars.workers.codes]
    for state, colour in _COLOURS.items():
        rows = np.flatnonzero(bars.states.is_(state))
        if rows.size:
            texts = None if bars.hover is None else [bars.hover[row] for row in rows]
            drawn.add_bar(
                base=bars.start_seconds[rows],
                x=bars.seconds[rows],
                y=names[rows].tolist(),
                textposition="none",
                orientation="h",
                marker={"color": colour, "line": {"color": style.FAINT, "width": 0.5}},
                name=style.escape(state),
                **style.hover_options(bars.numbers[rows], texts),
            )
    drawn.update_layout(barmode="overlay", bargap=0.3, showlegend=True)


def _draw_busy(drawn: go.Figure, busy: Busy) -> None:
    drawn.add_heatmap(
        x=busy.seconds,
        y=[*map(style.escape, busy.workers)],
        z=100 * busy.shares,
        zmin=0,
        zmax=100,
        colorscale=[(0.0, "rgba(0, 114, 178, 0.05)"), (1.0, style.BLUE)],
        colorbar=axes.colour_bar("training", {0: "0 %", 50: "50 %", 100: "100 %"}),
        ygap=6,
        hovertemplate="%{y}, at %{x:.0f} s<br>trained %{z:.0f} % of the time<extra></extra>",
    )


def _gather(reader: StudyReader, between: Span | None = None) -> Timeline | None:
    """When each worker trained which trial; ``between``: seconds since the first, LOW..HIGH."""
    timeline = gather_timeline(reader.table, between)
    return timeline if timeline.busy or timeline.bars.numbers.size else None


def _rows(timeline: Timeline) -> Columns:
    bars, busy = timeline.bars, timeline.busy
    if busy is not None:
        return stack(
            *(
                {"worker": name, "seconds": busy.seconds, "share": shares}
                for name, shares in zip(busy.workers, busy.shares, strict=True)
            )
        )
    return {
        "trial": bars.numbers,
        "worker": [bars.workers.names[code] for code in bars.workers.codes],
        "state": [bars.states.names[code] for code in bars.states.codes],
        "start_seconds": bars.start_seconds,
        "seconds": bars.seconds,
    }


FIGURE = Figure(
    name="timeline",
    question="When did each worker train which trial?",
    label="Timeline",
    title="Which worker trained what, when",
    needs="a trial that ended on a worker",
    gather=_gather,
    draw=draw_timeline,
    note=lambda timeline: timeline.about,
    sides=lambda of: (Side("started", offset=of.first), Side("worker", names=of.names)),
    rows=_rows,
    section=ReportSection.SEARCH,
    pages=(Tab.EXPLORE,),
    most_marks=_MAX_BARS,
)
