"""The question's own chart: reconstruction error against hidden width, with the floors."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from sweep.analysis.floors import Floors
from sweep.analysis.verdict import counts, question_trial
from sweep.figures import style, words
from sweep.store.records import TrialRow

#: How far below the lowest error the axis follows the floor, which falls to nothing at D units.
_BELOW = 0.3


class WidthPoint(NamedTuple):
    """One finished trial."""

    number: int
    width: int
    test_mse: float
    activation: str
    loss: str
    hover: str


class WidthErrors(NamedTuple):
    """Test errors by width; floors are empty or None where they are not known."""

    points: list[WidthPoint]
    question: WidthPoint | None
    #: PCA's test error at each width that the axis shows.
    floor_widths: list[int]
    floor_mse: list[float]
    #: The error of answering every image with the mean training image.
    mean_mse: float | None


def gather_width(rows: Sequence[TrialRow], floors: Floors | None = None) -> WidthErrors:
    """The finished trials that were measured on the test images."""
    usable = [row for row in rows if counts(row) and (row.test_mse or 0) > 0 and row.hidden_width]
    points = [_point(row) for row in usable]
    question = question_trial(usable)
    floor = _floor(points, floors) if floors else []
    return WidthErrors(
        points=points,
        question=_point(question) if question else None,
        floor_widths=[width for width, _ in floor],
        floor_mse=[error for _, error in floor],
        mean_mse=floors.test_mean_mse if floors else None,
    )


def _point(row: TrialRow) -> WidthPoint:
    assert row.hidden_width is not None
    assert row.test_mse is not None
    return WidthPoint(
        number=row.number,
        width=row.hidden_width,
        test_mse=row.test_mse,
        activation=row.config["activation"],
        loss=row.config["loss"],
        hover=words.hover(row, error="test_mse"),
    )


def _floor(points: Sequence[WidthPoint], floors: Floors) -> list[tuple[int, float]]:
    widths = [point.width for point in points] or [1, floors.n_inputs]
    lowest = min((point.test_mse for point in points), default=1e-5)
    shown = range(max(1, int(min(widths) / 1.5)), min(int(max(widths) * 1.5), floors.n_inputs) + 1)
    curve = [(width, floors.test_pca_mse[width]) for width in shown]
    return [(width, error) for width, error in curve if error >= _BELOW * lowest]


def draw_width(errors: WidthErrors) -> go.Figure:
    """Colour tells the activation, symbol the loss; both axes are logarithmic."""
    drawn = style.figure(
        "Reconstruction error against hidden width",
        words.axis("hidden_width"),
        words.axis("test_mse"),
        height=520,
    )
    if not errors.points:
        return style.say(drawn, "No trial has been measured on the test images yet.")
    _draw_floors(drawn, errors)
    _draw_points(drawn, errors.points)
    _draw_key(drawn, errors.points)
    if errors.question:
        _draw_question(drawn, errors.question)
    heights = [point.test_mse for point in errors.points] + errors.floor_mse
    heights += [] if errors.mean_mse is None else [errors.mean_mse]
    lowest = min(point.test_mse for point in errors.points)
    drawn.update_yaxes(style.log_axis([max(height, _BELOW * lowest) for height in heights]))
    return drawn.update_xaxes(style.width_axis([point.width for point in errors.points]))


def _draw_floors(drawn: go.Figure, errors: WidthErrors) -> None:
    if errors.floor_widths:
        drawn.add_trace(
            go.Scatter(
                x=errors.floor_widths,
                y=errors.floor_mse,
                mode="lines",
                line={"color": style.GREY, "width": 2},
                name="PCA floor",
                hovertemplate="PCA with %{x} components<br>%{y:.3g}<extra></extra>",
            )
        )
    if errors.mean_mse is not None:
        widths = [point.width for point in errors.points]
        drawn.add_trace(
            go.Scatter(
                x=[min(widths) / 2, max(widths) * 2],  # beyond both ends of the axis
                y=[errors.mean_mse] * 2,
                mode="lines",
                line={"color": style.GREY, "width": 1.5, "dash": "dot"},
                name="mean image",
                hovertemplate="The mean image for every image<br>%{y:.3g}<extra></extra>",
            )
        )


def _draw_points(drawn: go.Figure, points: Sequence[WidthPoint]) -> None:
    groups: dict[tuple[str, str], list[WidthPoint]] = defaultdict(list)
    for point in points:
        groups[point.activation, point.loss].append(point)
    scatter = go.Scattergl if len(points) >= style.WEBGL_POINTS else go.Scatter
    for (activation, loss), group in sorted(groups.items()):
        drawn.add_trace(
            scatter(
                x=[point.width for point in group],
                y=[point.test_mse for point in group],
                text=[point.hover for point in group],
                hovertemplate="%{text}<extra></extra>",
                mode="markers",
                marker=_marker(style.ACTIVATION_COLOURS[activation], style.LOSS_SYMBOLS[loss]),
                name=f"{activation}, {loss}",
                legendgroup=activation,
                showlegend=False,
            )
        )


def _draw_key(drawn: go.Figure, points: Sequence[WidthPoint]) -> None:
    """One entry an activation, which switches all of its marks, and one a loss."""
    activations = {point.activation for point in points}
    losses = {point.loss for point in points}
    for activation, colour in style.ACTIVATION_COLOURS.items():
        if activation in activations:
            _entry(drawn, str(activation), _marker(colour, "circle"), legendgroup=str(activation))
    for loss, symbol in style.LOSS_SYMBOLS.items():
        if loss in losses:
            _entry(drawn, str(loss), _marker("rgba(0,0,0,0)", symbol))


def _entry(drawn: go.Figure, name: str, marker: dict[str, Any], **options: Any) -> None:
    drawn.add_trace(
        go.Scatter(x=[None], y=[None], mode="markers", marker=marker, name=name, **options)
    )


def _marker(colour: str, symbol: str) -> dict[str, Any]:
    return {
        "color": colour,
        "symbol": symbol,
        "size": 9,
        "line": {"color": "rgba(90, 95, 104, 0.8)", "width": 0.8},
    }


def _draw_question(drawn: go.Figure, question: WidthPoint) -> None:
    drawn.add_trace(
        go.Scatter(
            x=[question.width],
            y=[question.test_mse],
            text=[question.hover],
            hovertemplate="The question's configuration<br>%{text}<extra></extra>",
            mode="markers",
            marker={
                "color": "rgba(0,0,0,0)",
                "symbol": "circle",
                "size": 19,
                "line": {"color": style.VERMILLION, "width": 2.5},
            },
            name="the question’s",
        )
    )
