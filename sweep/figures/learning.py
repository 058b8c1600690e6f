"""Chart the validation error by epoch."""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import plotly.graph_objects as go
from pydantic import Field

from sweep.analysis.study_reader import StudyReader
from sweep.analysis.verdict import baseline_number
from sweep.catalogue.formats import percent
from sweep.figures import axes, style
from sweep.figures.figure import Columns, Figure, ReportSection, Tab, Trials, stack
from sweep.findings.configurations import short_name
from sweep.store.records import CurvePoint, TrialRow

#: A smaller decrease in an epoch counts as no change.
_FLAT = 0.01


class Curve(NamedTuple):
    """One trial's curve; epochs without a finite error are left out."""

    number: int
    label: str
    epochs: list[int]
    val_mse: list[float]
    colour: str
    is_baseline: bool


def gather_curves(
    rows: Sequence[TrialRow],
    curves: Mapping[int, Sequence[CurvePoint]],
    baseline: int | None = None,
) -> list[Curve]:
    """Gather the curves of these trials, in order; ``baseline`` is the number of the study's."""
    colours = style.trial_colours([row.number for row in rows], baseline)
    return [
        _curve(row, curves[row.number], colours[row.number], is_baseline=row.number == baseline)
        for row in rows
        if curves.get(row.number)
    ]


def _curve(row: TrialRow, points: Sequence[CurvePoint], colour: str, *, is_baseline: bool) -> Curve:
    finite = [(point.epoch, point.val_mse) for point in points if point.val_mse]
    what = "the baseline" if is_baseline else short_name(row)
    return Curve(
        number=row.number,
        label=f"trial {row.number}: {what}",
        epochs=[epoch for epoch, _ in finite],
        val_mse=[error for _, error in finite],
        colour=colour,
        is_baseline=is_baseline,
    )


def draw_curves(curves: Sequence[Curve]) -> go.Figure:
    """Draw a line for each curve, the first one thickest and the baseline dashed."""
    drawn = style.figure("epoch", "val_mse")
    curves = [curve for curve in curves if curve.val_mse]
    if not curves:
        return style.say(drawn, "No epoch has finished yet.")
    for place, curve in enumerate(curves):
        label = style.escape(curve.label)
        drawn.add_scatter(
            x=curve.epochs,
            y=curve.val_mse,
            mode="lines+markers",
            name=label,
            line={
                "color": curve.colour,
                "width": 3 if place == 0 else 2,
                "dash": "dash" if curve.is_baseline else "solid",
            },
            marker={"size": 5},
            hovertemplate=f"{label}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
        )
    drawn.update_yaxes(axes.error_axis([error for curve in curves for error in curve.val_mse]))
    return drawn.update_xaxes(axes.epoch_axis(max(max(curve.epochs) for curve in curves)))


def _gather(
    reader: StudyReader, n: Annotated[int, Field(ge=1)] = 6, trials: Trials = ()
) -> list[Curve] | None:
    """Learning curves of the ``n`` best trials, the baseline among them; or of ``trials``."""
    rows = reader.trials(trials) if trials else _best(reader, n)
    found = reader.study.curves([row.number for row in rows])
    curves = gather_curves(rows, found, baseline_number(reader.table))
    is_enough = any(len(of.epochs) > 1 for of in curves)
    return curves if trials or is_enough else None


def _best(reader: StudyReader, n: int) -> list[TrialRow]:
    baseline = reader.compared.baseline if reader.compared else None
    best = reader.best(n)
    if baseline is None or any(row.number == baseline.number for row in best):
        return best
    return [*best[: n - 1], baseline]


def _rows(curves: Sequence[Curve]) -> Columns:
    return stack(
        *({"trial": of.number, "epoch": of.epochs, "val_mse": of.val_mse} for of in curves)
    )


def _describe(curves: Sequence[Curve]) -> str:
    """Say whether the first of the curves still falls at its end."""
    number, errors = curves[0].number, curves[0].val_mse
    if len(errors) < 2:
        return ""
    fall = 1 - errors[-1] / errors[-2]
    if fall < _FLAT:
        return f"Trial {number} no longer improved in its last epoch"
    return f"Trial {number} still improved by {percent(fall)} in its last epoch"


FIGURE = Figure(
    name="learning",
    question="Were the best trials done learning?",
    title="Learning curves",
    needs="a trial that trained for two epochs",
    gather=_gather,
    draw=draw_curves,
    rows=_rows,
    finding=_describe,
    section=ReportSection.SEARCH,
    pages=(Tab.COMPARE,),
)
