"""Why trials failed."""

from sweep.findings.failures import failure_table
from tests.support.store_factories import trial_row

ROWS = [
    trial_row(number=2, state="FAIL", reason="out of memory"),
    trial_row(number=1, state="FAIL"),
    trial_row(number=0, state="FAIL", reason="out of memory"),
]


def test_failures_are_counted_by_their_reason_the_most_frequent_first() -> None:
    assert failure_table(ROWS, 3).records() == [
        {"reason": "out of memory", "n_trials": 2, "numbers": [0, 2]},
        {"reason": "no reason was recorded", "n_trials": 1, "numbers": [1]},
    ]


def test_of_many_failures_the_first_are_named_and_the_latest_counted() -> None:
    table = failure_table([trial_row(number=n, state="FAIL") for n in range(12)], 700)
    assert table.rows[0][-1].text == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 …"
    assert table.note.endswith("Of the latest 12.")
