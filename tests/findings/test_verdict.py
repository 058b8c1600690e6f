import pytest

from sweep.findings import verdict
from tests.support.store_factories import trial_row, trial_table


def test_the_trials_that_beat_the_question_are_a_share_of_those_that_count() -> None:
    rows = [trial_row(number=number, values=(0.1 * number,)) for number in range(1, 5)]
    table = trial_table(*rows, trial_row(number=9, values=(0.0,), state="PRUNED"))
    assert verdict.beaten_by(table, rows[2]).startswith("50 % of 4 finished trials")


@pytest.mark.parametrize("n", [0, 1])
def test_one_trial_or_none_beats_nobody(n: int) -> None:
    rows = [trial_row(number=number, values=(0.1,)) for number in range(n)]
    assert verdict.beaten_by(trial_table(*rows), rows[0] if rows else None) == ""


@pytest.mark.parametrize(
    ("ratio", "text"), [(1.25, "25 %"), (2.34, "2.3 times"), (7903.2, "7,903 times")]
)
def test_a_ratio_is_told_as_people_say_it(ratio: float, text: str) -> None:
    assert verdict._times(ratio) == text
