"""Two objectives against one another, with the trials that no other beats."""

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from sweep.analysis.verdict import counts
from sweep.figures import style, words
from sweep.store.read import pareto_front
from sweep.store.records import TrialRow


class Front(NamedTuple):
    """The first two objectives of each finished trial: the second across, the first up."""

    objectives: tuple[str, str]
    numbers: list[int]
    x: list[float]
    y: list[float]
    hover: list[str]
    #: Places in these lists of the trials that nothing beats in any objective, from left to right.
    front: list[int]


def gather_front(rows: Sequence[TrialRow], objectives: Sequence[str]) -> Front | None:
    """None for a study of one objective."""
    if len(objectives) < 2:
        return None
    usable = [row for row in rows if counts(row) and len(row.values) == len(objectives)]
    points = {place: row.values for place, row in enumerate(usable)}
    return Front(
        objectives=(objectives[0], objectives[1]),
        numbers=[row.number for row in usable],
        x=[row.values[1] for row in usable],
        y=[row.values[0] for row in usable],
        hover=[words.hover(row) for row in usable],
        front=sorted(pareto_front(points), key=lambda place: points[place][1]),
    )


def draw_front(front: Front) -> go.Figure:
    """All trials faint, the Pareto set bold and joined by steps."""
    error, cost = front.objectives
    drawn = style.figure(
        f"Best trade-offs of {words.OBJECTIVES[error]} and {words.OBJECTIVES[cost]}",
        words.axis(cost),
        words.axis(error),
    )
    if not front.numbers:
        return style.say(drawn, "No trial has finished yet.")
    everyone = range(len(front.numbers))
    for places, name, options in (
        (everyone, "trial", {"mode": "markers", "marker": {"color": style.FAINT, "size": 7}}),
        (
            front.front,
            "nothing beats it (Pareto set)",
            {
                "mode": "lines+markers",
                "line": {"color": style.BLUE, "width": 2, "shape": "hv"},
                "marker": {"color": style.BLUE, "size": 10},
            },
        ),
    ):
        drawn.add_trace(
            go.Scatter(
                x=[front.x[place] for place in places],
                y=[front.y[place] for place in places],
                text=[front.hover[place] for place in places],
                hovertemplate="%{text}<extra></extra>",
                name=name,
                **options,
            )
        )
    drawn.update_yaxes(style.log_axis(front.y))
    across = style.width_axis if cost == "hidden_width" else style.log_axis
    return drawn.update_xaxes(across(front.x) if min(front.x) > 0 else {})
