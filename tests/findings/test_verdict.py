import pytest

from sweep.analysis.verdict import verdict as study_verdict
from sweep.config import TrialConfig
from sweep.findings import verdict
from tests.support.finding_factories import floors, study_summary
from tests.support.store_factories import trial_row, trial_table


def test_the_trials_that_beat_the_question_are_a_share_of_those_that_count() -> None:
    rows = [trial_row(number=number, values=(0.1 * number,)) for number in range(1, 5)]
    table = trial_table(*rows, trial_row(number=9, values=(0.0,), state="PRUNED"))
    assert verdict.beaten_by(table, rows[2]).startswith("50 % of 4 finished trials")


@pytest.mark.parametrize("n", [0, 1])
def test_one_trial_or_none_beats_nobody(n: int) -> None:
    rows = [trial_row(number=number, values=(0.1,)) for number in range(n)]
    assert verdict.beaten_by(trial_table(*rows), rows[0] if rows else None) == ""


def compare(baseline: float, best: float, floor: float) -> str:
    """Compare the best trial with the baseline and with PCA, given their test errors."""
    rows = [
        trial_row(number=0, values=(2.0,), test_mse=baseline),
        trial_row(number=1, values=(1.0,), test_mse=best, config=TrialConfig(hidden_width=2)),
    ]
    found = study_verdict(trial_table(*rows), rows, floors(10.0, 9.0, floor, 1e-9, 0.0))
    return " ".join(verdict.explanations(study_summary(), found))


@pytest.mark.parametrize(
    ("baseline", "best", "floor", "text"),
    [
        (0.012, 0.010, 0.01, "That is 17 % less than the baseline (trial 0, 0.0120)."),
        (0.0234, 0.010, 0.01, "That is 2.3 times less than the baseline"),
        (7.9032, 0.001, 0.01, "That is 7,903 times less than the baseline"),
        (0.010, 0.0125, 0.01, "the baseline (trial 0, 0.0100) is even 20 % better."),
        (0.02, 0.0125, 0.01, "(PCA, 0.0100) is 20 % better;"),
        (0.02, 0.03, 0.01, "(PCA, 0.0100) is 3.0 times better;"),
        (0.02, 0.010, 0.0125, "(PCA, 0.0125) is 25 % worse:"),
        (0.02, 0.011, 0.001, "linear code of that width (PCA, 0.00100) has a tenth of trial 1’s"),
        (0.02, 0.011, 0.0, "A linear code of that width could copy every image exactly, so"),
    ],
)
def test_a_ratio_is_in_percent_of_the_other_error_or_in_times(
    baseline: float, best: float, floor: float, text: str
) -> None:
    assert text in compare(baseline, best, floor)
