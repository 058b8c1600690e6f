"""What the charts say, without a chart."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sweep.analysis.floors import Floors
from sweep.analysis.importances import Importances
from sweep.figures.classes import gather_classes
from sweep.figures.history import gather_history
from sweep.figures.importances import gather_importances
from sweep.figures.learning import gather_curves
from sweep.figures.parallel import gather_lines
from sweep.figures.pareto import gather_front
from sweep.figures.timeline import gather_timeline
from sweep.figures.width import gather_width
from sweep.names import Activation
from sweep.store.records import CurvePoint
from sweep.trial import TrialConfig
from tests.store_factories import trial_row

OTHER = TrialConfig(epochs=1)


def test_history_has_the_best_so_far_up_to_the_last_trial() -> None:
    values = (0.4, 0.5, 0.2, 0.3)
    rows = [trial_row(number=n, values=(v,), config=OTHER) for n, v in enumerate(values)]
    history = gather_history([*rows, trial_row(number=4, state="WAITING", outcome=None)])
    assert history.finished.y == [0.4, 0.5, 0.2, 0.3]
    assert (history.best_x, history.best_y) == ([0, 2, 3], [0.4, 0.2, 0.2])


def test_history_keeps_pruned_invalid_and_infinite_trials_apart() -> None:
    history = gather_history(
        [
            trial_row(number=0, values=(0.4,)),
            trial_row(number=1, values=(0.1,), state="PRUNED"),
            trial_row(number=2, values=(0.1,), invalid=True),
            trial_row(number=3, values=(float("inf"),)),
            trial_row(number=4, state="FAIL"),
        ]
    )
    assert (history.finished.x, history.pruned.x, history.question.x) == ([0], [1], [0])
    assert history.best_y == [0.4, 0.4]


def test_an_empty_history_has_no_marks() -> None:
    history = gather_history([])
    assert (history.finished.x, history.best_x) == ([], [])


def floors() -> Floors:
    errors = (*(0.1 / 2**k for k in range(16)), 0.0)
    return Floors(
        data_key="key", val_pca_mse=errors, test_pca_mse=errors, val_entropy=0.2, test_entropy=0.2
    )


def test_width_has_a_point_a_measured_trial_and_the_floor_beneath_it() -> None:
    rows = [
        trial_row(number=0, values=(0.05,), config=TrialConfig(hidden_width=2)),
        trial_row(number=1, values=(0.02,), config=TrialConfig(hidden_width=4)),
        trial_row(number=2, values=(0.01,), test_mse=None),
    ]
    errors = gather_width(rows, floors())
    assert [(point.width, point.test_mse) for point in errors.points] == [(2, 0.05), (4, 0.02)]
    assert errors.floor_widths == [1, 2, 3, 4]  # 5 and 6 lie far below every mark
    assert errors.floor_mse[1] == floors().test_pca_mse[2]
    assert (errors.mean_mse, errors.question) == (0.1, None)


def test_width_without_floors_has_points_alone() -> None:
    errors = gather_width([trial_row(number=0, values=(0.05,))])
    assert (errors.floor_widths, errors.mean_mse) == ([], None)
    assert errors.question is not None
    assert errors.question.width == 784


def importance(**fields: Any) -> Importances:
    empty = {"shares": {}, "n_trials": 60, "best_share": 0.1, "left_out": (), "reason": None}
    return Importances(**(empty | fields))


def test_importances_are_named_in_words_and_say_what_they_are_of() -> None:
    bars = gather_importances(importance(shares={"adam.learning_rate": 0.7, "loss": 0.3}))
    assert (bars.names, bars.shares) == (["adam learning rate", "loss"], [0.7, 0.3])
    assert "best 10 % of 60 finished trials" in bars.about
    assert "Rough" not in bars.about


def test_importances_of_few_trials_are_called_rough_and_name_what_is_left_out() -> None:
    few = importance(shares={"loss": 1.0}, n_trials=30, left_out=("sgd.learning_rate",))
    about = gather_importances(few).about
    assert "Rough" in about
    assert "few trials have it: sgd learning rate" in about


def test_no_importances_give_their_reason() -> None:
    bars = gather_importances(importance(reason="needs more trials"))
    assert (bars.names, bars.about) == ([], "Importance needs more trials.")


def searched(number: int, value: float, **config: Any) -> Any:
    return trial_row(
        number=number, values=(value,), config=TrialConfig(**config), params=dict(config)
    )


def test_lines_have_the_searched_settings_that_differ_the_worst_trial_first() -> None:
    lines = gather_lines(
        [
            searched(0, 0.01, hidden_width=64, activation=Activation.TANH, epochs=5),
            searched(1, 0.1, hidden_width=16, activation=Activation.RELU, epochs=5),
        ]
    )
    assert lines.numbers == [1, 0]
    assert lines.colours == pytest.approx([-1.0, -2.0])
    width, activation, error = lines.dimensions
    assert (width.values, width.tick_texts) == ([4.0, 6.0], ["16", "32", "64"])
    assert (activation.values, activation.tick_texts) == ([0, 1], ["relu", "tanh"])
    assert (error.label, error.tick_texts) == ("validation error", ["0.01", "0.02", "0.05", "0.1"])


def test_lines_leave_out_settings_that_another_one_brings_along() -> None:
    rows = [searched(0, 0.1, hidden_width=64), searched(1, 0.2, hidden_width=16)]
    brought = trial_row(number=2, values=(0.3,), config=TrialConfig(momentum=0.9))
    labels = [dimension.label for dimension in gather_lines([*rows, brought]).dimensions]
    assert labels == ["hidden width", "validation error"]


def test_lines_of_one_trial_have_no_axes() -> None:
    assert gather_lines([searched(0, 0.1, hidden_width=8)]).dimensions == []


def point(epoch: int, val_mse: float | None) -> CurvePoint:
    return CurvePoint(epoch=epoch, train_loss=None, val_mse=val_mse, val_bce=None, seconds=None)


def test_curves_leave_out_epochs_that_were_not_finite() -> None:
    rows = [
        trial_row(number=3, values=(0.1,)),
        trial_row(number=5, values=(0.2,), config=OTHER),
        trial_row(number=6),
    ]
    curves = gather_curves(rows, {3: [point(1, 0.3), point(2, None)], 5: [point(1, 0.2)]})
    assert [(curve.number, curve.epochs, curve.val_mse) for curve in curves] == [
        (3, [1], [0.3]),
        (5, [1], [0.2]),
    ]
    assert [curve.is_question for curve in curves] == [True, False]


def test_classes_come_in_the_order_of_the_first_trials_errors() -> None:
    first = trial_row(number=0, per_class_mse=(0.1, 0.3, 0.2))
    second = trial_row(number=1, per_class_mse=(0.4, 0.5, 0.6))
    none = trial_row(number=2, per_class_mse=None)
    errors = gather_classes({"a": first, "b": second, "c": none}, ("x", "y", "z"))
    assert errors.classes == ["y", "z", "x"]
    assert errors.mse == {"a": [0.3, 0.2, 0.1], "b": [0.5, 0.6, 0.4]}


def test_classes_without_names_are_numbers() -> None:
    errors = gather_classes({"a": trial_row(number=0, per_class_mse=(0.2, 0.1))})
    assert errors.classes == ["0", "1"]


def test_a_front_has_the_trials_that_nothing_beats() -> None:
    points = [(0.3, 8.0), (0.1, 64.0), (0.2, 64.0)]
    rows = [trial_row(number=n, values=p) for n, p in enumerate(points)]
    front = gather_front(rows, ("val_mse", "hidden_width"))
    assert front is not None
    assert (front.x, front.y) == ([8.0, 64.0, 64.0], [0.3, 0.1, 0.2])
    assert front.front == [0, 1]
    assert gather_front(rows, ("val_mse",)) is None


def test_a_timeline_starts_with_the_first_trial() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    later = start + timedelta(seconds=4)
    rows = [
        trial_row(number=0, datetime_start=later, datetime_complete=later + timedelta(seconds=2)),
        trial_row(number=1, datetime_start=start, datetime_complete=later),
        trial_row(number=2, datetime_start=start, datetime_complete=None),
    ]
    spans = [(s.number, s.start_seconds, s.seconds) for s in gather_timeline(rows)]
    assert spans == [(0, 4.0, 2.0), (1, 0.0, 4.0)]
