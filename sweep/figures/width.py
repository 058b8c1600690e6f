"""Chart reconstruction errors by hidden width, with the floors."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go

from sweep.analysis.floors import Floors
from sweep.analysis.study_reader import StudyReader
from sweep.analysis.verdict import baseline_number
from sweep.analysis.width_law import width_errors, width_law
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import number, percent
from sweep.figures import axes, style
from sweep.figures.figure import Columns, Figure, Panel, ReportSection, Span, Tab, stack
from sweep.figures.marks import Marks, TrialBand, band_of, draw_band, draw_marks, marks_of, within
from sweep.findings.width import what_would_tell
from sweep.store.table import Choices, Mask, Numbers, TrialTable

Metric = Literal["test_mse", "test_bce"]

#: How far below the lowest error the axis follows the floor, which falls to zero at D units.
BELOW = 0.3
_N_GROUPS = 40


class MeasuredWidths(NamedTuple):
    """Test errors by width; floors are empty or None if they are unknown."""

    metric: Metric
    #: With a band, the best of each of its groups.
    marks: Marks
    activations: Choices  # of the marks
    losses: Choices  # of the marks
    #: The trials, if they are too many for a mark each.
    band: TrialBand | None
    baseline: Marks
    #: PCA's test error at each width on the axis.
    floor_widths: list[int]
    floor_mse: list[float]
    #: PCA's test error with copies clipped to [0, 1], at some of those widths.
    clipped_widths: list[int]
    clipped_mse: list[float]
    #: The error if every image is answered with the mean training image.
    mean_mse: float | None
    #: Lower bound of any binary cross-entropy.
    entropy: float | None
    #: What the floors are, and what a mark represents if not a trial; in words.
    about: str


def gather_width(
    table: TrialTable,
    floors: Floors | None = None,
    between: tuple[float, float] | None = None,
    *,
    metric: Metric = "test_mse",
) -> MeasuredWidths:
    """Gather the finished trials measured on the test images; ``between`` is a range of widths.

    PCA's floor is of squared errors, the entropy of binary cross-entropies: each is on the chart of
    its unit.
    """
    usable = table.where(table.counting & _is_measured(table, metric))
    shown = usable.where(within(_widths(usable), between))
    baseline = usable.where(usable.numbers == baseline_number(usable))
    n_trials, band = len(shown), None
    if n_trials > style.MAX_MARKS:
        band = _band(shown, metric)
        shown = shown.where(np.isin(shown.numbers, band.groups.best_numbers))
    marks = _marks(shown, metric)
    squared = floors if metric == "test_mse" else None
    floor = _floor(marks, squared) if squared else []
    clipped = _list_clipped(squared, [width for width, _ in floor]) if squared else []
    entropy = floors.test_entropy if floors and metric == "test_bce" else None
    return MeasuredWidths(
        metric=metric,
        marks=marks,
        activations=_words(shown, "activation"),
        losses=_words(shown, "loss"),
        band=band,
        baseline=_marks(baseline, metric),
        floor_widths=[width for width, _ in floor],
        floor_mse=[error for _, error in floor],
        clipped_widths=[width for width, _ in clipped],
        clipped_mse=[error for _, error in clipped],
        mean_mse=squared.test_mean_mse if squared else None,
        entropy=entropy,
        about=" ".join([*_about_floors(squared, entropy), *_about_band(n_trials, band)]),
    )


def _is_measured(table: TrialTable, metric: Metric) -> Mask:
    errors = table.metrics[metric]
    mask: Mask = (errors > 0) & np.isfinite(errors) & (_widths(table) > 0)
    return mask


def _widths(table: TrialTable) -> Numbers:
    widths = table.column("hidden_width")
    assert not isinstance(widths, Choices)
    return widths


def _marks(table: TrialTable, metric: Metric) -> Marks:
    return marks_of(table, _widths(table), table.metrics[metric], n_marks=len(table), error=metric)


def _words(table: TrialTable, setting: str) -> Choices:
    column = table.settings.get(setting)
    return column if isinstance(column, Choices) else Choices.of([None] * len(table))


def _band(table: TrialTable, metric: Metric) -> TrialBand:
    widths = _widths(table)
    edges = np.geomspace(widths.min(), widths.max() + 1, _N_GROUPS + 1)
    return band_of(widths, table.metrics[metric], table.numbers, edges)


def _floor(marks: Marks, floors: Floors) -> list[tuple[int, float]]:
    widths = marks.x if marks.n else np.array([1.0, floors.n_inputs])
    first, last = max(1, int(widths.min() / 1.5)), min(int(widths.max() * 1.5), floors.n_inputs)
    return pca_curve(floors, first, last)


def pca_curve(floors: Floors, first: int, last: int) -> list[tuple[int, float]]:
    """Return PCA's test errors at these widths; a logarithmic axis has no place for zero."""
    curve = [(width, floors.test_pca_mse[width]) for width in range(first, last + 1)]
    return [(width, error) for width, error in curve if error > 0]


def _list_clipped(floors: Floors, shown: list[int]) -> list[tuple[int, float]]:
    """Return the clipped errors at those shown widths for which they were measured."""
    curve = zip(floors.clipped.widths, floors.clipped.test_mse, strict=True)
    return [(width, error) for width, error in curve if width in shown]


def _about_floors(squared: Floors | None, entropy: float | None) -> list[str]:
    if squared is not None:
        return [
            "The grey line is the floor of linear codes: the error of PCA with as many components "
            "as there are hidden units; dashed, the same with its copies clipped to [0, 1]; "
            "dotted, the error of the mean image for every image. Marks below the line need "
            "a nonlinear code; marks far above it are limited by training, not by the width."
        ]
    if entropy is not None:
        return [
            f"The grey line is the entropy of the test pixels, {formats.number(entropy)} nats: "
            "grey pixels cost that much even if every one is copied exactly, so only the part "
            "above the line depends on the copies."
        ]
    return []


def _about_band(n_trials: int, band: TrialBand | None) -> list[str]:
    if band is None:
        return []
    return [
        f"{n_trials:,} finished trials in {len(band.x)} groups by width: a mark is the best of its "
        "group."
    ]


def draw_width(errors: MeasuredWidths) -> go.Figure:
    """Draw the trials: colour is the activation, symbol the loss.

    Widths and errors are logarithmic.
    """
    height = 520 if errors.metric == "test_mse" else 420
    drawn = style.figure("hidden_width", errors.metric, height=height)
    if not errors.marks.n:
        return style.say(drawn, "No trial has been measured on the test images yet.")
    if errors.band is not None:
        draw_band(drawn, errors.band)
    _draw_floors(drawn, errors)
    _draw_trials(drawn, errors)
    _draw_key(drawn, errors)
    if errors.baseline.n:
        _draw_baseline(drawn, errors)
    drawn.update_yaxes(_y_axis(errors))
    return drawn.update_xaxes(style.width_axis(errors.marks.x.tolist()))


def _y_axis(errors: MeasuredWidths) -> dict[str, Any]:
    heights = [errors.marks.y, errors.baseline.y]
    if errors.band is not None:
        heights.append(errors.band.groups.high)
    floors = [error for error in (errors.mean_mse, errors.entropy) if error is not None]
    shown = np.concatenate([*heights, errors.floor_mse, floors])
    if errors.metric == "test_bce":
        return axes.error_axis(shown)
    return style.log_axis(np.maximum(shown, BELOW * errors.marks.y.min()))


def pca_floor(widths: Sequence[int], errors: Sequence[float]) -> go.Scatter:
    """Draw the lower bound of linear autoencoders."""
    return go.Scatter(
        x=widths,
        y=errors,
        mode="lines",
        line={"color": style.GREY, "width": 2},
        name="PCA floor",
        hovertemplate="PCA with %{x} components<br>%{y:.3g}<extra></extra>",
    )


def _draw_floors(drawn: go.Figure, errors: MeasuredWidths) -> None:
    if errors.floor_widths:
        drawn.add_trace(pca_floor(errors.floor_widths, errors.floor_mse))
    if errors.clipped_widths:
        drawn.add_scatter(
            x=errors.clipped_widths,
            y=errors.clipped_mse,
            mode="lines",
            line={"color": style.GREY, "width": 1.5, "dash": "dash"},
            name="PCA, clipped to [0, 1]",
            hovertemplate="PCA with %{x} components, clipped<br>%{y:.3g}<extra></extra>",
        )
    if errors.mean_mse is not None:
        line = {"color": style.GREY, "width": 1.5, "dash": "dot"}
        says = "Mean image for every image"
        _draw_level(drawn, errors, errors.mean_mse, name="mean image", line=line, says=says)
    if errors.entropy is not None:
        line = {"color": style.GREY, "width": 2}
        says = "The pixels’ entropy, in nats"
        _draw_level(drawn, errors, errors.entropy, name="entropy floor", line=line, says=says)


def _draw_level(
    drawn: go.Figure,
    errors: MeasuredWidths,
    level: float,
    *,
    name: str,
    line: dict[str, Any],
    says: str,
) -> None:
    drawn.add_scatter(
        x=[errors.marks.x.min() / 2, errors.marks.x.max() * 2],  # beyond both ends of the axis
        y=[level] * 2,
        mode="lines",
        line=line,
        name=name,
        hovertemplate=f"{says}<br>%{{y:.3g}}<extra></extra>",
    )


def _draw_trials(drawn: go.Figure, errors: MeasuredWidths) -> None:
    """Draw one trace for each pair of activation and loss."""
    for activation, colour in style.ACTIVATION_COLOURS.items():
        for loss, symbol in style.LOSS_SYMBOLS.items():
            rows = np.flatnonzero(errors.activations.is_(activation) & errors.losses.is_(loss))
            if rows.size:
                draw_marks(
                    drawn,
                    errors.marks.take(rows),
                    n_marks=errors.marks.n,
                    marker=style.among(errors.marks.n, _marker(colour, symbol)),
                    name=f"{activation}, {loss}",
                    legendgroup=str(activation),
                    showlegend=False,
                )


def _draw_key(drawn: go.Figure, errors: MeasuredWidths) -> None:
    """Draw one legend entry per activation, which toggles all of its marks, and one per loss."""
    for activation, colour in style.ACTIVATION_COLOURS.items():
        if errors.activations.is_(activation).any():
            _entry(drawn, str(activation), _marker(colour, "circle"), legendgroup=str(activation))
    for loss, symbol in style.LOSS_SYMBOLS.items():
        if errors.losses.is_(loss).any():
            _entry(drawn, str(loss), _marker("rgba(0,0,0,0)", symbol))


def _entry(drawn: go.Figure, name: str, marker: dict[str, Any], **options: Any) -> None:
    drawn.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=name, **options)


def _marker(colour: str, symbol: str) -> dict[str, Any]:
    return {
        "color": colour,
        "symbol": symbol,
        "size": 9,
        "line": {"color": "rgba(90, 95, 104, 0.8)", "width": 0.8},
    }


def _draw_baseline(drawn: go.Figure, errors: MeasuredWidths) -> None:
    draw_marks(
        drawn,
        errors.baseline,
        n_marks=errors.marks.n,
        marker={
            "color": "rgba(0,0,0,0)",
            "symbol": "circle",
            "size": 19,
            "line": {"color": style.VERMILLION, "width": 2.5},
        },
        hovertemplate="The baseline<br>%{text}<extra></extra>",
        name="baseline",
    )


def _gather(reader: StudyReader, between: Span | None = None) -> MeasuredWidths | None:
    """Squared error over hidden width, and PCA's; ``between``: widths, LOW..HIGH."""
    errors = gather_width(reader.table, reader.floors, between)
    return errors if between or _has_two_widths(errors) else None


def _gather_entropy(reader: StudyReader, between: Span | None = None) -> MeasuredWidths | None:
    """Cross-entropy over hidden width, and the pixels' entropy; ``between``: widths, LOW..HIGH."""
    errors = gather_width(reader.table, reader.floors, between, metric="test_bce")
    return errors if between or _has_two_widths(errors) else None


def more_widths(reader: StudyReader) -> str:
    """Name the study whose widths would show more."""
    errors = width_errors(reader.table)
    domain = reader.domains.get("hidden_width")
    return what_would_tell(reader.study.name, width_law(errors), errors, domain)


def _has_two_widths(errors: MeasuredWidths) -> bool:
    return len(np.unique(errors.marks.x)) > 1


def _rows(errors: MeasuredWidths) -> Columns:
    marks, metric = errors.marks, errors.metric
    activations, losses = (
        [of.names[code] if code >= 0 else None for code in of.codes]
        for of in (errors.activations, errors.losses)
    )
    trials = {"trial": marks.numbers, "activation": activations, "loss": losses}
    return stack(
        {"mark": "trial", "hidden_width": marks.x, metric: marks.y, **trials},
        {"mark": "PCA", "hidden_width": errors.floor_widths, metric: errors.floor_mse},
        {
            "mark": "PCA, clipped to [0, 1]",
            "hidden_width": errors.clipped_widths,
            metric: errors.clipped_mse,
        },
        {"mark": ["mean image"], metric: errors.mean_mse} if errors.mean_mse else {},
        {"mark": ["entropy"], metric: errors.entropy} if errors.entropy else {},
    )


def _where_entropy_is_known(reader: StudyReader) -> list[Panel]:
    """Return a panel only if cross-entropy is measured, which it is not for linear outputs."""
    is_measured = np.isfinite(reader.table.metrics["test_bce"]).any()
    return [Panel()] if is_measured and reader.floors is not None else []


def _describe(errors: MeasuredWidths) -> str:
    at, column = int(np.argmin(errors.marks.y)), column_named(errors.metric)
    return f"Lowest {column.title}: {number(errors.marks.y[at])} at {errors.marks.x[at]:,.0f} units"


def _finding_entropy(errors: MeasuredWidths) -> str:
    if not errors.entropy:
        return _describe(errors)
    above = percent(float(errors.marks.y.min()) / errors.entropy - 1)
    return f"The lowest cross-entropy is {above} above the pixels’ entropy"


FIGURE = Figure(
    name="width",
    question="How does the error fall with width, and what is its lower bound?",
    title="Test error by hidden width",
    needs="finished trials of two widths",
    remedy=more_widths,
    gather=_gather,
    draw=draw_width,
    note=lambda errors: errors.about,
    rows=_rows,
    finding=_describe,
    section=ReportSection.WIDTH,
    pages=(Tab.OVERVIEW,),
)
ENTROPY = Figure(
    name="entropy",
    question="How close does the cross-entropy get to the entropy of the pixels?",
    title="Test cross-entropy by hidden width",
    needs="finished trials of two widths",
    remedy=more_widths,
    gather=_gather_entropy,
    draw=draw_width,
    note=lambda errors: errors.about,
    rows=_rows,
    finding=_finding_entropy,
    section=ReportSection.WIDTH,
    panels=_where_entropy_is_known,
    pages=(Tab.OVERVIEW,),
)
