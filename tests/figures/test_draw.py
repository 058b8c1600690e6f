"""That every chart can be drawn, also of nothing, and looks as the others do."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest

from sweep.analysis.importances import importances
from sweep.config import TrialConfig
from sweep.enums import Activation, Loss
from sweep.figures import style
from sweep.figures.classes import draw_classes, gather_classes
from sweep.figures.history import draw_history, gather_history
from sweep.figures.importances import draw_importances, gather_importances
from sweep.figures.learning import draw_curves, gather_curves
from sweep.figures.parallel import draw_lines, gather_lines
from sweep.figures.pareto import ParetoFront, draw_front, gather_front
from sweep.figures.timeline import draw_timeline, gather_timeline
from sweep.figures.width import draw_width, gather_width
from sweep.store.records import CurvePoint, NumberDomain, TrialRow
from tests.support.store_factories import trial_row, trial_table

WIDTH = NumberDomain(low=8, high=1024, log=True, step=1, integer=True)


def draw_pareto(rows: Sequence[TrialRow]) -> go.Figure:
    front = gather_front(trial_table(*rows, objectives=("val_mse", "hidden_width")))
    assert isinstance(front, ParetoFront)
    return draw_front(front)


def draw_learning(rows: Sequence[TrialRow]) -> go.Figure:
    point = CurvePoint(epoch=1, train_loss=0.1, val_mse=0.1, val_bce=None, seconds=1.0)
    return draw_curves(gather_curves(rows[:3], {row.number: [point] for row in rows}))


CHARTS: dict[str, Callable[[Sequence[TrialRow]], go.Figure]] = {
    "history": lambda rows: draw_history(gather_history(trial_table(*rows))),
    "width": lambda rows: draw_width(gather_width(trial_table(*rows))),
    "importances": lambda rows: draw_importances(
        gather_importances(importances(trial_table(*rows), {"hidden_width": WIDTH}), "x")
    ),
    "parallel": lambda rows: draw_lines(gather_lines(trial_table(*rows))),
    "learning": draw_learning,
    "classes": lambda rows: draw_classes(gather_classes({str(row.number): row for row in rows})),
    "pareto": draw_pareto,
    "timeline": lambda rows: draw_timeline(gather_timeline(trial_table(*rows))),
}


def row(number: int) -> TrialRow:
    width = 8 * (number + 1)
    config = TrialConfig(
        hidden_width=width,
        activation=list(Activation)[number % len(Activation)],
        loss=list(Loss)[number % len(Loss)],
    )
    return trial_row(
        number=number,
        values=(1 / width, float(width)),
        config=config,
        params={"hidden_width": width},
        per_class_mse=(0.1, 0.2),
    )


@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
def test_a_chart_of_many_trials_has_marks(
    draw: Callable[[Sequence[TrialRow]], go.Figure],
) -> None:
    drawn = draw([row(number) for number in range(30)])
    assert drawn.data
    assert not drawn.layout.annotations


@pytest.mark.parametrize("name", sorted({*CHARTS} - {"importances"}))
def test_a_chart_of_one_trial_can_be_drawn(name: str) -> None:
    assert CHARTS[name]([row(0)]).to_json()


@pytest.mark.parametrize("name", ["history", "width", "learning"])
def test_a_chart_zoomed_to_nothing_says_why_it_is_empty(name: str) -> None:
    (note,) = CHARTS[name]([]).layout.annotations
    assert note.text.endswith((".", "0"))


def test_axes_are_labelled_with_units() -> None:
    drawn = draw_width(gather_width(trial_table(row(0), row(9))))
    assert drawn.layout.xaxis.title.text == "Hidden width (units)"
    assert drawn.layout.yaxis.title.text == "Test error (MSE per pixel)"
    assert drawn.layout.xaxis.type == drawn.layout.yaxis.type == "log"


def test_every_activation_has_a_colour_and_every_loss_a_symbol() -> None:
    assert set(style.ACTIVATION_COLOURS) == set(Activation)
    assert len(set(style.ACTIVATION_COLOURS.values())) == len(Activation)
    assert set(style.LOSS_SYMBOLS) == set(Loss)


def test_many_points_are_drawn_with_webgl() -> None:
    rows = [row(number) for number in range(style.WEBGL_POINTS)]
    drawn = draw_history(gather_history(trial_table(*rows)))
    assert drawn.data[0].type == "scattergl"


def test_the_upload_button_is_off() -> None:
    assert style.CONFIG["showSendToCloud"] is False


def test_curves_that_lie_close_have_an_axis_with_several_ticks() -> None:
    def of(*errors: float) -> go.Figure:
        points = [
            CurvePoint(epoch=epoch, train_loss=None, val_mse=error, val_bce=None, seconds=1.0)
            for epoch, error in enumerate(errors, start=1)
        ]
        return draw_curves(gather_curves([trial_row(number=0, values=[0.1])], {0: points}))

    assert of(0.029, 0.012).layout.yaxis.type == "linear"  # a logarithmic one would say 0.02 alone
    assert of(0.29, 0.012).layout.yaxis.type == "log"


def test_of_very_many_trials_no_activation_hides_the_others() -> None:
    def marker(n: int) -> go.scatter.Marker:
        rows = [trial_row(number=number, values=[0.1], test_mse=0.1) for number in range(n)]
        return draw_width(gather_width(trial_table(*rows))).data[0].marker

    assert marker(style.WEBGL_POINTS).size < marker(10).size
    assert marker(style.WEBGL_POINTS).opacity < 1


@pytest.mark.parametrize(("low", "high"), [(0.02, 0.031), (0.011, 0.019), (0.0052, 0.0098)])
def test_a_short_logarithmic_axis_has_a_few_ticks_apart(low: float, high: float) -> None:
    """On a phone 0.008, 0.009 and 0.01 ran into one another, and 0.02 alone was no scale."""
    axis = style.log_axis([low, high])
    begin, end = (10**power for power in axis["range"])
    seen = [tick for tick in axis["tickvals"] if begin <= tick <= end]
    assert len(seen) > 1
    assert all(right / left > 1.3 for left, right in pairwise(seen))


@pytest.mark.parametrize("decades", [0.0, 0.5, 0.9, 1.5, 2.1, 2.3, 4.0])
@pytest.mark.parametrize("low", [0.0011, 0.0098])
def test_a_logarithmic_axis_has_two_ticks_at_least(low: float, decades: float) -> None:
    axis = style.log_axis([low, low * 10**decades])
    begin, end = axis["range"]
    powers = [float(power) for power in range(-9, 9)]
    # As Plotly reads dtick: 1, 2 and 5, or powers of ten.
    of_dtick = {"D2": [p + np.log10(of) for p in powers for of in (1, 2, 5)], 1: powers}
    ticks = np.log10(axis["tickvals"]) if "tickvals" in axis else of_dtick[axis["dtick"]]
    assert sum(begin <= tick <= end for tick in ticks) >= 2


@pytest.mark.parametrize(("low", "plain"), [(0.001, True), (1e-7, False)])
def test_a_logarithmic_axis_writes_its_powers_one_way(low: float, plain: bool) -> None:
    axis = style.log_axis([low, 1.0])
    assert bool(axis["tickformat"]) is plain
