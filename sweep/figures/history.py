"""The value of each trial in the order of their numbers, and the best so far."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from sweep.analysis.verdict import counts, question_trial
from sweep.figures import style, words
from sweep.store.records import TrialRow


class Points(NamedTuple):
    """Marks of one kind."""

    x: list[float]
    y: list[float]
    hover: list[str]


class History(NamedTuple):
    """A study's history; values that cannot stand on a logarithmic axis are left out."""

    objective: str
    finished: Points
    #: At the last value they had.
    pruned: Points
    question: Points
    #: The lowest value up to each number at which it fell; ends at the last trial.
    best_x: list[int]
    best_y: list[float]


def gather_history(rows: Sequence[TrialRow], objective: str = "val_mse") -> History:
    """The history of the first objective, without invalid trials."""
    ordered = sorted(rows, key=lambda row: row.number)
    finished = [row for row in ordered if counts(row) and (row.value or 0) > 0]
    question = question_trial(finished)
    best_x, best_y = _best_so_far(finished, _last_ended(ordered))
    return History(
        objective=objective,
        finished=_points(finished),
        pruned=_points([row for row in ordered if row.state == "PRUNED" and _drawable(row)]),
        question=_points([question] if question else []),
        best_x=best_x,
        best_y=best_y,
    )


def _last_ended(rows: Sequence[TrialRow]) -> int:
    return max((row.number for row in rows if row.outcome), default=0)


def _drawable(row: TrialRow) -> bool:
    value = row.value
    return value is not None and math.isfinite(value) and value > 0 and not row.invalid


def _points(rows: Sequence[TrialRow]) -> Points:
    return Points(
        x=[row.number for row in rows],
        y=[row.value for row in rows if row.value is not None],
        hover=[words.hover(row) for row in rows],
    )


def _best_so_far(rows: Sequence[TrialRow], last: int) -> tuple[list[int], list[float]]:
    numbers: list[int] = []
    values: list[float] = []
    for row in rows:
        if row.value is not None and (not values or row.value < values[-1]):
            numbers.append(row.number)
            values.append(row.value)
    if values and numbers[-1] < last:
        numbers.append(last)
        values.append(values[-1])
    return numbers, values


def draw_history(history: History) -> go.Figure:
    """Trials as marks, the best so far as steps, on a logarithmic scale."""
    drawn = style.figure(
        "Value of each trial, and the best so far",
        words.axis("number"),
        words.axis(history.objective),
    )
    if not history.finished.y and not history.pruned.y:
        return style.say(drawn, "No trial has finished yet.")
    scatter = go.Scattergl if len(history.finished.x) >= style.WEBGL_POINTS else go.Scatter
    kinds = (
        (history.pruned, "pruned", {"color": style.FAINT, "symbol": "x-thin-open", "size": 7}),
        (history.finished, "finished", {"color": style.SKY, "size": 7, "opacity": 0.85}),
        (
            history.question,
            "the question’s",
            {"color": style.VERMILLION, "symbol": "star", "size": 15},
        ),
    )
    for points, name, marker in kinds:
        if points.x:
            drawn.add_trace(
                scatter(
                    x=points.x,
                    y=points.y,
                    text=points.hover,
                    hovertemplate="%{text}<extra></extra>",
                    mode="markers",
                    marker=marker,
                    name=name,
                )
            )
    drawn.add_trace(
        go.Scatter(
            x=history.best_x,
            y=history.best_y,
            mode="lines",
            line={"color": style.BLUE, "width": 2.5, "shape": "hv"},
            name="best so far",
            hoverinfo="skip",
        )
    )
    return drawn.update_yaxes(style.log_axis([*history.finished.y, *history.pruned.y]))
