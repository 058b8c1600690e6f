"""The best so far of studies side by side."""

from datetime import UTC, datetime

import numpy as np

from sweep.figures.best_so_far import draw_best_so_far, gather_best_so_far, work_seconds
from sweep.store.table import TrialTable
from tests.support.store_factories import trial_row, trial_table


def table(*trials: tuple[float, float, float]) -> TrialTable:
    """Trials as (start, end, value), in seconds and in the order of their numbers."""
    return trial_table(
        *(
            trial_row(
                number=number,
                values=(value,),
                datetime_start=datetime.fromtimestamp(start, UTC),
                datetime_complete=datetime.fromtimestamp(end, UTC),
            )
            for number, (start, end, value) in enumerate(trials)
        )
    )


def test_pauses_are_no_work() -> None:
    """Trials 0 and 1 overlap; nothing trains from 30 to 100."""
    assert work_seconds(table((10, 20, 1), (15, 30, 1), (100, 105, 1))).tolist() == [10, 20, 25]


def test_trials_count_in_the_order_of_their_ends() -> None:
    found = gather_best_so_far([("a", table((0, 9, 0.1), (0, 3, 0.3), (3, 5, 0.4)))], "trials")
    assert found is not None
    (steps,) = found.studies
    assert steps.x.tolist() == [1, 3, 3]  # the last point is where its trials end
    assert steps.best.tolist() == [0.3, 0.1, 0.1]
    assert steps.numbers.tolist() == [1, 0, 0]


def test_a_study_without_a_value_has_no_line() -> None:
    studies = [("new", trial_table()), ("a", table((0, 2, 0.5), (2, 4, 0.25)))]
    found = gather_best_so_far(studies, "seconds")
    assert found is not None
    assert [trace.name for trace in draw_best_so_far(found).data] == ["a"]
    assert np.allclose(found.studies[0].x, [2, 4, 4])
    assert gather_best_so_far(studies[:1], "trials") is None


def test_a_long_study_has_few_steps() -> None:
    values = 1 / np.arange(1, 6_001)
    found = gather_best_so_far(
        [("long", table(*((k, k + 1, value) for k, value in enumerate(values.tolist()))))], "trials"
    )
    assert found is not None and len(found.studies[0].x) <= 5_001
