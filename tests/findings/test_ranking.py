"""The best trials beside the baseline."""

from sweep.config import TrialConfig
from sweep.findings.ranking import BASELINE_NAME, EARLIEST, _baseline_of, best_numbers
from tests.support.store_factories import trial_row, trial_table


def test_the_best_are_the_lowest_values_that_count() -> None:
    table = trial_table(
        trial_row(number=0, values=(0.3,)),
        trial_row(number=1, values=(0.1,)),
        trial_row(number=2, values=(0.05,), invalid=True),
        trial_row(number=3, values=(0.2,)),
    )
    assert best_numbers(table, 2) == [1, 3]


def test_with_two_objectives_the_best_are_those_that_none_beats() -> None:
    table = trial_table(
        trial_row(number=0, values=(0.1, 64)),
        trial_row(number=1, values=(0.2, 64)),
        trial_row(number=2, values=(0.3, 8)),
        objectives=("val_mse", "hidden_width"),
    )
    assert best_numbers(table, 5) == [0, 2]


def test_the_baseline_is_the_question_or_else_the_earliest() -> None:
    other = trial_row(number=0, values=(0.3,), config=TrialConfig(hidden_width=8))
    baseline = trial_row(number=1, values=(0.2,))
    assert _baseline_of(trial_table(other, baseline)) == (1, BASELINE_NAME)
    assert _baseline_of(trial_table(other)) == (0, EARLIEST)
    assert _baseline_of(trial_table()) is None
