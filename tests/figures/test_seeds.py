"""What the three charts of one trial say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
import pytest

from sweep.analysis.floors import Floors
from sweep.config import TrialConfig
from sweep.enums import Loss, Output
from sweep.figures.seeds import SeedChart, draw_seeds, gather_seed_curves
from sweep.store.records import CurvePoint, TrialRow
from tests.support.store_factories import trial_row

FLOORS = Floors(
    data_key="key",
    train_pca_mse=(0.1, 0.04, 0.01, 0.0),
    val_pca_mse=(0.1, 0.05, 0.02, 0.0),
    test_pca_mse=(0.1, 0.06, 0.03, 0.0),
    train_entropy=0.23,
    val_entropy=0.24,
    test_entropy=0.25,
)


def curve(errors: Sequence[float | None], *, bce: float | None = 0.3) -> list[CurvePoint]:
    return [
        CurvePoint(epoch=epoch, train_loss=0.5, val_mse=error, val_bce=bce, seconds=1.0)
        for epoch, error in enumerate(errors, start=1)
    ]


def trial(**config: Any) -> TrialRow:
    return trial_row(number=0, seeds=(11, 12), config=TrialConfig(**config))


def names(drawn: go.Figure) -> list[str]:
    return [trace.name for trace in drawn.data]


def text_of(chart: SeedChart) -> str:
    (annotation,) = draw_seeds(chart).layout.annotations
    return str(annotation.text).replace("<br>", " ")


def test_seeds_have_a_line_each_and_their_mean() -> None:
    curves = gather_seed_curves({0: curve([0.2, 0.1]), 1: curve([0.4, 0.3])}, trial())
    assert [line.label for line in curves.val_mse.seeds] == ["seed 11", "seed 12"]
    assert curves.val_mse.mean is not None
    assert curves.val_mse.mean.values == pytest.approx([0.3, 0.2])


def test_the_mean_is_of_the_epochs_that_every_seed_has_reached() -> None:
    curves = gather_seed_curves({0: curve([0.2, 0.1]), 1: curve([0.4, None])}, trial())
    assert curves.val_mse.mean is not None
    assert curves.val_mse.mean.epochs == [1]


def test_one_seed_is_its_own_mean() -> None:
    curves = gather_seed_curves({0: curve([0.2, 0.1])}, trial())
    assert curves.val_mse.mean is None
    assert names(draw_seeds(curves.val_mse)) == ["seed 11"]


def test_floors_are_those_of_the_validation_images_at_the_trials_width() -> None:
    curves = gather_seed_curves({0: curve([0.06])}, trial(hidden_width=1), FLOORS)
    assert (curves.val_mse.floor, curves.val_bce.floor) == (0.05, 0.24)
    assert curves.train_loss.floor is None
    error = draw_seeds(curves.val_mse)
    assert names(error) == ["seed 11", "PCA floor at width 1"]
    assert error.data[1].line.dash == "dash"


def test_a_floor_far_below_is_told_and_not_drawn() -> None:
    curves = gather_seed_curves({0: curve([0.06])}, trial(hidden_width=784), FLOORS)
    assert names(draw_seeds(curves.val_mse)) == ["seed 11"]
    assert curves.val_mse.about == "PCA floor at width 784: 0"


def test_a_linear_output_has_no_cross_entropy_and_says_why() -> None:
    linear = trial(output_activation=Output.LINEAR, loss=Loss.MSE)
    curves = gather_seed_curves({0: curve([0.1], bce=None)}, linear, FLOORS)
    assert (
        text_of(curves.val_bce) == "The output is linear, and cross-entropy needs pixels in (0, 1)."
    )


def test_the_training_loss_is_named_with_its_unit() -> None:
    curves = gather_seed_curves({0: curve([0.1])}, trial(loss=Loss.HUBER))
    assert draw_seeds(curves.train_loss).layout.yaxis.title.text == "Training loss (HUBER)"


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (None, "No epoch has finished yet."),
        ("failed", "The trial ended without a finite number in any epoch."),
    ],
)
def test_a_trial_without_epochs_says_so(outcome: str | None, text: str) -> None:
    row = replace(trial(), outcome=outcome)
    assert [text_of(chart) for chart in gather_seed_curves({}, row, FLOORS)] == [text] * 3


def test_a_curve_whose_seed_is_not_known_yet_is_drawn() -> None:
    waiting = replace(trial(), seeds=())
    curves = gather_seed_curves({0: curve([0.1])}, waiting)
    assert [line.label for line in curves.val_mse.seeds] == ["seed no. 0"]
