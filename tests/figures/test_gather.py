"""What the charts say, without a chart."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sweep.analysis.importances import Importances
from sweep.config import TrialConfig
from sweep.enums import Activation
from sweep.figures import style
from sweep.figures.classes import gather_classes
from sweep.figures.history import gather_history
from sweep.figures.importances import gather_importances
from sweep.figures.learning import gather_curves
from sweep.figures.parallel import gather_lines
from sweep.figures.pareto import gather_front
from sweep.figures.timeline import gather_timeline
from sweep.figures.width import draw_width, gather_width
from sweep.store.records import CurvePoint, TrialRow
from tests.support.finding_factories import halving_floors
from tests.support.store_factories import trial_row, trial_table

OTHER = TrialConfig(epochs=1)


def test_history_has_the_best_so_far_up_to_the_last_trial() -> None:
    values = (0.4, 0.5, 0.2, 0.3)
    rows = [trial_row(number=n, values=(v,), config=OTHER) for n, v in enumerate(values)]
    waiting = trial_row(number=4, state="WAITING", outcome=None)
    history = gather_history(trial_table(*rows, waiting))
    assert history.finished.y.tolist() == [0.4, 0.5, 0.2, 0.3]
    assert history.best_x.tolist() == [0, 2, 3]
    assert history.best_y.tolist() == [0.4, 0.2, 0.2]


def test_history_keeps_pruned_invalid_and_infinite_trials_apart() -> None:
    history = gather_history(
        trial_table(
            trial_row(number=0, values=(0.4,)),
            trial_row(number=1, values=(0.1,), state="PRUNED"),
            trial_row(number=2, values=(0.1,), invalid=True),
            trial_row(number=3, values=(float("inf"),)),
            trial_row(number=4, state="FAIL"),
        )
    )
    shown = (history.finished, history.pruned, history.baseline)
    assert [marks.numbers.tolist() for marks in shown] == [[0], [1], [0]]
    assert history.best_y.tolist() == [0.4, 0.4]


def test_an_empty_history_has_no_marks() -> None:
    history = gather_history(trial_table())
    assert (history.finished.n, history.best_x.tolist()) == (0, [])


def test_a_part_of_the_history_has_its_marks_beside_the_best_of_all() -> None:
    rows = [trial_row(number=n, values=(1.0 / (n + 1),), config=OTHER) for n in range(6)]
    history = gather_history(trial_table(*rows), between=(1.5, 4.0))
    assert history.finished.x.tolist() == [2, 3, 4]
    assert history.best_x.tolist() == [0, 1, 2, 3, 4, 5]


def test_width_has_a_mark_a_measured_trial_and_the_floor_beneath_it() -> None:
    table = trial_table(
        trial_row(number=0, values=(0.05,), config=TrialConfig(hidden_width=2)),
        trial_row(number=1, values=(0.02,), config=TrialConfig(hidden_width=4)),
        trial_row(number=2, values=(0.01,), test_mse=None),
    )
    errors = gather_width(table, halving_floors())
    assert (errors.marks.x.tolist(), errors.marks.y.tolist()) == ([2, 4], [0.05, 0.02])
    # PCA's line leaves the chart at its lower edge: ending above it, it would look unknown there.
    assert errors.floor_widths == [1, 2, 3, 4, 5, 6]
    assert 0 < errors.floor_mse[-1] < 10 ** draw_width(errors).layout.yaxis.range[0] < 0.02
    assert errors.floor_mse[1] == halving_floors().test_pca_mse[2]
    assert (errors.clipped_widths, errors.clipped_mse) == ([2, 4], [0.02, 0.005])
    assert (errors.mean_mse, errors.entropy, errors.baseline.n) == (0.1, None, 0)
    assert "PCA" in errors.about


def test_width_without_floors_has_marks_alone() -> None:
    errors = gather_width(trial_table(trial_row(number=0, values=(0.05,))))
    assert (errors.floor_widths, errors.mean_mse, errors.about) == ([], None, "")
    assert errors.baseline.x.tolist() == [784]


def test_cross_entropies_stand_over_the_entropy_and_not_over_pca() -> None:
    table = trial_table(trial_row(number=0, test_bce=0.3, values=(0.05,)), trial_row(number=1))
    errors = gather_width(table, halving_floors(), metric="test_bce")
    assert errors.marks.y.tolist() == [0.3]
    assert (errors.entropy, errors.floor_widths, errors.mean_mse) == (0.2, [], None)
    assert "entropy of the test pixels, 0.200 nats" in errors.about


def test_a_range_of_widths_keeps_the_trials_in_it() -> None:
    rows = [
        trial_row(number=n, values=(0.1,), config=TrialConfig(hidden_width=2**n)) for n in range(6)
    ]
    assert gather_width(trial_table(*rows), between=(4, 20)).marks.numbers.tolist() == [2, 3, 4]


def importance(**fields: Any) -> Importances:
    of = {"n_trials": 60, "n_compared": 60, "best_share": 0.1}
    empty = {"shares": {}, "left_out": (), "reason": None}
    return Importances(**(of | empty | fields))


def test_importances_are_named_in_words_and_say_what_they_are_of() -> None:
    bars = gather_importances(importance(shares={"learning_rate": 0.7, "loss": 0.3}), "x")
    assert (bars.names, bars.shares) == (["learning rate", "loss"], [0.7, 0.3])
    assert bars.settings == ("learning_rate", "loss")
    assert "best 10 % of 60 finished trials" in bars.about
    assert "Rough" not in bars.about


def test_importances_of_few_trials_are_called_rough_and_name_what_is_left_out() -> None:
    few = importance(shares={"loss": 1.0}, n_trials=30, left_out=("learning_rate",))
    about = gather_importances(few, "x").about
    assert "Rough" in about
    assert "few trials have it: learning rate" in about


def test_importances_of_a_sample_say_so() -> None:
    about = gather_importances(importance(shares={"loss": 1.0}, n_trials=20_000), "x").about
    assert "A random sample of 60 was compared." in about


def test_importances_name_what_outranks_them_or_would() -> None:
    found = importance(shares={"loss": 1.0})
    assert "`sweep explain x --run` trains the causes" in gather_importances(found, "x").about
    trained = gather_importances(found, "x", explained_in="x-explain").about
    assert trained.endswith("(study x-explain) trained the causes and is stronger evidence.")


def make_trial(number: int, value: float, **config: Any) -> Any:
    return trial_row(
        number=number, values=(value,), config=TrialConfig(**config), params=dict(config)
    )


def test_lines_have_the_searched_settings_that_differ_the_best_trial_first() -> None:
    lines = gather_lines(
        trial_table(
            make_trial(0, 0.01, hidden_width=64, activation=Activation.TANH, epochs=5),
            make_trial(1, 0.1, hidden_width=16, activation=Activation.RELU, epochs=5),
        )
    )
    assert lines.numbers.tolist() == [0, 1]
    assert lines.colours.tolist() == pytest.approx([2.0, 1.0])
    width, activation, error = lines.dimensions
    assert (width.values.tolist(), width.tick_texts) == ([6.0, 4.0], ["16", "32", "64"])
    assert (activation.values.tolist(), activation.tick_texts) == ([1, 0], ["relu", "tanh"])
    assert (error.label, error.tick_texts) == ("validation error", ["0.01", "0.02", "0.05", "0.1"])


def test_lines_leave_out_settings_that_another_one_brings_along() -> None:
    rows = [make_trial(0, 0.1, hidden_width=64), make_trial(1, 0.2, hidden_width=16)]
    brought = trial_row(number=2, values=(0.3,), config=TrialConfig(momentum=0.9))
    labels = [axis.label for axis in gather_lines(trial_table(*rows, brought)).dimensions]
    assert labels == ["hidden width", "validation error"]


def test_lines_of_one_trial_have_no_axes() -> None:
    assert gather_lines(trial_table(make_trial(0, 0.1, hidden_width=8))).dimensions == []


def point(epoch: int, val_mse: float | None) -> CurvePoint:
    return CurvePoint(epoch=epoch, train_loss=None, val_mse=val_mse, val_bce=None, seconds=None)


def test_curves_leave_out_epochs_that_were_not_finite() -> None:
    rows = [
        trial_row(number=3, values=(0.1,)),
        trial_row(number=5, values=(0.2,), config=OTHER),
        trial_row(number=6),
    ]
    curves = gather_curves(rows, {3: [point(1, 0.3), point(2, None)], 5: [point(1, 0.2)]}, 3)
    assert [(curve.number, curve.epochs, curve.val_mse) for curve in curves] == [
        (3, [1], [0.3]),
        (5, [1], [0.2]),
    ]
    assert [curve.is_baseline for curve in curves] == [True, False]


def test_classes_come_in_the_order_of_the_first_trials_errors() -> None:
    first = trial_row(number=0, per_class_mse=(0.1, 0.3, 0.2))
    second = trial_row(number=1, per_class_mse=(0.4, 0.5, 0.6))
    none = trial_row(number=2, per_class_mse=None)
    errors = gather_classes({"a": first, "b": second, "c": none}, ("x", "y", "z"), baseline=1)
    assert errors.colours == {"a": style.BLUE, "b": style.VERMILLION}
    assert errors.classes == ["y", "z", "x"]
    assert errors.mse == {"a": [0.3, 0.2, 0.1], "b": [0.5, 0.6, 0.4]}


def test_classes_without_names_are_numbers() -> None:
    errors = gather_classes({"a": trial_row(number=0, per_class_mse=(0.2, 0.1))})
    assert errors.classes == ["0", "1"]


def test_a_front_has_the_trials_that_nothing_beats_from_left_to_right() -> None:
    points = [(0.1, 64.0), (0.3, 8.0), (0.2, 64.0)]
    rows = [trial_row(number=n, values=p) for n, p in enumerate(points)]
    front = gather_front(trial_table(*rows, objectives=("val_mse", "hidden_width")))
    assert front is not None
    assert front.front.numbers.tolist() == [1, 0]
    assert (front.front.x.tolist(), front.front.y.tolist()) == ([8.0, 64.0], [0.3, 0.1])
    assert front.beaten.numbers.tolist() == [2]


def test_one_objective_has_no_front() -> None:
    assert gather_front(trial_table(trial_row(number=0, values=(0.1,)))) is None


START = datetime(2026, 1, 1, tzinfo=UTC)


def ran(number: int, start: float, end: float | None, **fields: Any) -> TrialRow:
    """A trial from one second to another."""
    return trial_row(
        number=number,
        datetime_start=START + timedelta(seconds=start),
        datetime_complete=None if end is None else START + timedelta(seconds=end),
        **fields,
    )


def test_a_timeline_starts_with_the_first_trial() -> None:
    table = trial_table(ran(0, 4, 6), ran(1, 0, 4), ran(2, 0, None), ran(3, 0, 1, worker=None))
    bars = gather_timeline(table).bars
    assert bars.numbers.tolist() == [0, 1]
    assert (bars.start_seconds.tolist(), bars.seconds.tolist()) == ([4.0, 0.0], [2.0, 4.0])


def test_a_span_of_the_timeline_has_the_trials_that_overlap_it() -> None:
    table = trial_table(ran(0, 0, 2), ran(1, 1, 5), ran(2, 6, 9), ran(3, 8, 9))
    bars = gather_timeline(table, between=(3, 7)).bars
    assert bars.numbers.tolist() == [1, 2]
    assert bars.start_seconds.tolist() == [1.0, 6.0]  # still since the first of all
