"""Who trained what, when: one line a worker."""

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from sweep.figures import style, words
from sweep.store.records import TrialRow

_COLOURS = {
    "COMPLETE": style.BLUE,
    "PRUNED": style.SKY,
    "FAIL": style.VERMILLION,
}


class Span(NamedTuple):
    """One trial on the worker that had it last, in seconds since the first trial started."""

    number: int
    worker: str
    state: str
    start_seconds: float
    seconds: float
    hover: str


def gather_timeline(rows: Sequence[TrialRow]) -> list[Span]:
    """The trials that have begun and ended on a worker that is known."""
    begun = [
        (row, row.worker, row.datetime_start, row.datetime_complete)
        for row in rows
        if row.worker and row.datetime_start and row.datetime_complete
    ]
    first = min((start for _, _, start, _ in begun), default=None)
    return [
        Span(
            number=row.number,
            worker=worker,
            state=row.state,
            start_seconds=(start - first).total_seconds() if first else 0.0,
            seconds=(end - start).total_seconds(),
            hover=words.hover(row),
        )
        for row, worker, start, end in begun
    ]


def draw_timeline(spans: Sequence[Span]) -> go.Figure:
    """A bar a trial, coloured by how it ended."""
    n_workers = len({span.worker for span in spans})
    drawn = style.figure(
        "Who trained what, when", "Seconds since the first trial", "", height=150 + 36 * n_workers
    )
    if not spans:
        return style.say(drawn, "No trial has ended yet.")
    for state, colour in _COLOURS.items():
        ended = [span for span in spans if span.state == state]
        if ended:
            drawn.add_trace(
                go.Bar(
                    base=[span.start_seconds for span in ended],
                    x=[span.seconds for span in ended],
                    y=[span.worker for span in ended],
                    text=[span.hover for span in ended],
                    textposition="none",
                    hovertemplate="%{text}<extra></extra>",
                    orientation="h",
                    marker={"color": colour, "line": {"color": style.FAINT, "width": 0.5}},
                    name=state,
                )
            )
    drawn.update_layout(barmode="overlay", bargap=0.3, showlegend=True)
    return drawn.update_yaxes(type="category", categoryorder="category descending")
