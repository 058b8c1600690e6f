import pytest

from sweep.analysis.floors import Floors
from sweep.analysis.verdict import (
    baseline_number,
    baseline_trial,
    best_number,
    best_trial,
    floor_at,
    verdict,
)
from sweep.config import TrialConfig
from tests.store_factories import trial_row, trial_table

NARROW = TrialConfig(hidden_width=2)


def floors() -> Floors:
    """Four pixels: PCA's error halves with each component."""
    errors = (0.08, 0.04, 0.02, 0.01, 0.0)
    return Floors(
        data_key="key",
        train_pca_mse=errors,
        val_pca_mse=errors,
        test_pca_mse=errors,
        train_entropy=0.2,
        val_entropy=0.2,
        test_entropy=0.2,
    )


def test_nothing_finished_has_no_verdict() -> None:
    assert verdict([]) is None
    assert verdict([trial_row(number=0, state="FAIL")]) is None


def test_the_best_is_beside_the_question_and_the_floor() -> None:
    rows = [trial_row(number=0, values=(0.06,)), trial_row(number=1, values=(0.03,), config=NARROW)]
    found = verdict(rows, floors())
    assert found is not None
    assert found.baseline is rows[0]
    assert (found.best.number, found.floor, found.pca_components) == (1, 0.02, 2)
    assert found.times_better == pytest.approx(2.0)
    assert found.times_floor == pytest.approx(1.5)


def test_a_floor_of_nothing_has_no_ratio() -> None:
    found = verdict([trial_row(number=0, values=(0.06,))], floors())
    assert found is not None
    assert (found.floor, found.times_floor) == (0.0, None)


def test_without_floors_the_question_is_still_compared() -> None:
    found = verdict([trial_row(number=0, values=(0.06,))])
    assert found is not None
    assert (found.times_better, found.floor, found.pca_components) == (1.0, None, None)


def test_invalid_failed_and_infinite_trials_are_never_the_best() -> None:
    rows = [
        trial_row(number=0, values=(0.1,), invalid=True),
        trial_row(number=1, values=(0.1,), state="PRUNED"),
        trial_row(number=2, values=(float("-inf"),)),
    ]
    assert best_trial(rows) is None


def test_the_question_is_known_whatever_adam_ignores() -> None:
    keras = trial_row(number=3, values=(0.1,), config=TrialConfig(eps=1e-7, momentum=0.9))
    other = trial_row(number=1, values=(0.1,), config=TrialConfig(epochs=6))
    assert baseline_trial([other, keras]) is keras
    assert baseline_trial([other]) is None


def test_wider_than_there_are_pixels_the_floor_stays_nothing() -> None:
    assert floor_at(floors(), 1000) == 0.0
    assert floor_at(floors(), None) is None


def test_numbers_from_columns_are_those_of_rows() -> None:
    rows = [
        trial_row(number=2, values=(0.3,), config=NARROW),
        trial_row(number=3, values=(0.1,), invalid=True),
        trial_row(number=5, values=(0.2,), config=TrialConfig(eps=1e-7)),
        trial_row(number=7, values=(0.2,)),
        trial_row(number=8, values=(float("nan"),), config=NARROW),
    ]
    best, baseline = best_trial(rows), baseline_trial(rows)
    assert best is not None
    assert baseline is not None
    table = trial_table(*rows)
    assert best_number(table) == best.number == 5
    assert baseline_number(table) == baseline.number == 5


def test_a_study_without_finished_trials_has_no_numbers_to_tell() -> None:
    for table in (trial_table(), trial_table(trial_row(number=0, state="FAIL"))):
        assert best_number(table) is None
        assert baseline_number(table) is None
