import pytest

from sweep.analysis.floors import Floors
from sweep.analysis.verdict import Verdict, baseline_number, best_number, floor_at, verdict
from sweep.config import StudyBaseline, TrialConfig
from sweep.store.records import TrialRow
from tests.support.store_factories import trial_row, trial_table

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


def verdict_of(*rows: TrialRow, floors: Floors | None = None) -> Verdict | None:
    return verdict(trial_table(*rows), rows, floors)


def test_nothing_finished_has_no_verdict() -> None:
    assert verdict_of() is None
    assert verdict_of(trial_row(number=0, state="FAIL")) is None


def test_the_best_is_beside_the_question_and_the_floor() -> None:
    rows = [trial_row(number=0, values=(0.06,)), trial_row(number=1, values=(0.03,), config=NARROW)]
    found = verdict_of(*rows, floors=floors())
    assert found is not None
    assert found.baseline is rows[0]
    assert (found.best.number, found.floor, found.pca_components) == (1, 0.02, 2)
    assert found.times_better == pytest.approx(2.0)
    assert found.times_floor == pytest.approx(1.5)


def test_a_floor_of_nothing_has_no_ratio() -> None:
    found = verdict_of(trial_row(number=0, values=(0.06,)), floors=floors())
    assert found is not None
    assert (found.floor, found.times_floor) == (0.0, None)


def test_without_floors_the_question_is_still_compared() -> None:
    found = verdict_of(trial_row(number=0, values=(0.06,)))
    assert found is not None
    assert (found.times_better, found.floor, found.pca_components) == (1.0, None, None)


def test_invalid_failed_and_infinite_trials_are_never_the_best() -> None:
    rows = [
        trial_row(number=0, values=(0.1,), invalid=True),
        trial_row(number=1, values=(0.1,), state="PRUNED"),
        trial_row(number=2, values=(float("-inf"),)),
    ]
    assert best_number(trial_table(*rows)) is None
    assert verdict_of(*rows) is None


def test_a_best_trial_that_was_reset_since_has_no_verdict() -> None:
    row = trial_row(number=0, values=(0.06,))
    assert verdict(trial_table(row), [trial_row(number=0, state="WAITING")]) is None
    assert verdict(trial_table(row), []) is None


def test_the_question_is_known_whatever_adam_ignores() -> None:
    keras = trial_row(number=3, values=(0.1,), config=TrialConfig(eps=1e-7, momentum=0.9))
    other = trial_row(number=1, values=(0.1,), config=TrialConfig(epochs=6))
    assert baseline_number(trial_table(other, keras)) == 3
    assert baseline_number(trial_table(other)) is None


def test_wider_than_there_are_pixels_the_floor_stays_nothing() -> None:
    assert floor_at(floors(), 1000) == 0.0
    assert floor_at(floors(), None) is None


def test_of_equal_trials_the_first_that_counts_is_the_best_and_the_baseline() -> None:
    rows = [
        trial_row(number=2, values=(0.3,), config=NARROW),
        trial_row(number=3, values=(0.1,), invalid=True),
        trial_row(number=5, values=(0.2,), config=TrialConfig(eps=1e-7)),
        trial_row(number=7, values=(0.2,)),
        trial_row(number=8, values=(float("nan"),), config=NARROW),
    ]
    table = trial_table(*rows)
    assert (best_number(table), baseline_number(table)) == (5, 5)


def test_a_study_without_finished_trials_has_no_numbers_to_tell() -> None:
    for table in (trial_table(), trial_table(trial_row(number=0, state="FAIL"))):
        assert best_number(table) is None
        assert baseline_number(table) is None


def test_a_study_names_its_baseline_by_settings_or_by_number() -> None:
    rows = [
        trial_row(number=0, values=(0.3,)),
        trial_row(number=1, values=(0.2,), config=NARROW),
        trial_row(number=2, values=(0.1,), config=NARROW),
    ]
    narrow = StudyBaseline(settings={"hidden_width": 2, "activation": "relu"})
    for baseline in (narrow, StudyBaseline(number=1)):
        table = trial_table(*rows, baseline=baseline)
        found = verdict(table, rows)
        assert baseline_number(table) == 1
        assert found is not None
        assert found.baseline is rows[1]
        assert not found.is_about_question


def test_the_questions_story_is_told_where_the_baseline_has_its_settings() -> None:
    row = trial_row(number=0, values=(0.3,))
    for baseline in (None, StudyBaseline(number=0)):
        found = verdict(trial_table(row, baseline=baseline), [row])
        assert found is not None
        assert found.is_about_question


@pytest.mark.parametrize("number", [0, 1, 9])
def test_a_baseline_that_does_not_count_or_is_not_there_is_none(number: int) -> None:
    failed, other = trial_row(number=0, state="FAIL"), trial_row(number=1, invalid=True)
    best = trial_row(number=2, values=(0.1,))
    table = trial_table(failed, other, best, baseline=StudyBaseline(number=number))
    found = verdict(table, [failed, other, best])
    assert found is not None
    assert found.baseline is None
    assert not found.is_about_question
