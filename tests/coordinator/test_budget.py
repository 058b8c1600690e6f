"""When a study is done: from records to a verdict, without processes."""

from hypothesis import given
from hypothesis import strategies as st

from sweep.coordinator.budget import (
    BudgetUsage,
    BudgetVerdict,
    Improvement,
    check_budget,
    list_budgets,
)
from sweep.studyfile.sections import BudgetSection


def budget(**keys: float) -> BudgetSection:
    return BudgetSection.model_validate({"trials": 10, **keys})


def judge(spent: BudgetUsage, **keys: float) -> BudgetVerdict:
    found = check_budget(budget(**keys), spent)
    assert found is not None
    return found


def test_without_other_budgets_only_the_trials_count() -> None:
    assert (
        check_budget(budget(), BudgetUsage(n_finished=99, wall_seconds=1e9, best_value=0.0)) is None
    )


def test_time_is_up_when_it_is_used_up_and_not_before() -> None:
    assert check_budget(budget(max_seconds=60), BudgetUsage(wall_seconds=59.9)) is None
    found = judge(BudgetUsage(wall_seconds=60.0), max_seconds=60)
    assert (found.phase, found.lets_finish) == ("out of time", False)
    assert "max_seconds is 60" in found.reason


def test_gpu_hours_are_hours() -> None:
    assert check_budget(budget(max_gpu_hours=2), BudgetUsage(gpu_seconds=7199.0)) is None
    assert "2 GPU-hours" in judge(BudgetUsage(gpu_seconds=7200.0), max_gpu_hours=2).reason


def test_the_failure_that_is_one_too_many_ends_it_and_failures_are_shown_once_there_are() -> None:
    assert check_budget(budget(max_failures=2), BudgetUsage(n_failed=2)) is None
    found = judge(BudgetUsage(n_failed=3), max_failures=2)
    assert (found.phase, found.lets_finish) == ("failed", False)
    assert "max_failures" not in [part.name for part in list_budgets(budget(), 10, BudgetUsage())]
    assert list_budgets(budget(), 10, BudgetUsage(n_failed=3))[1] == ("max_failures", 10, 3, 7)


def test_a_space_that_is_trained_out_ends_the_study_whatever_is_left_of_its_trials() -> None:
    found = judge(BudgetUsage(n_finished=2, n_trained_out=2))
    assert (found.phase, found.lets_finish) == ("finished", True)
    assert found.reason.startswith("all 2 configurations of the space are trained")
    found = judge(BudgetUsage(n_finished=1, n_trained_out=1))
    assert found.reason.startswith("its one configuration is trained")


def test_a_target_is_reached_by_a_value_at_or_below_it() -> None:
    assert check_budget(budget(target_value=0.01), BudgetUsage()) is None
    assert (
        check_budget(budget(target_value=0.01), BudgetUsage(best_value=0.011, best_number=3))
        is None
    )
    found = judge(BudgetUsage(best_value=0.01, best_number=7), target_value=0.01)
    assert (found.phase, found.lets_finish) == ("finished", True)
    assert "trial 7 has 0.01" in found.reason


def test_a_plateau_is_an_improvement_of_less_than_asked() -> None:
    keys = {"plateau_trials": 5, "plateau_improvement": 0.1}
    assert check_budget(budget(**keys), BudgetUsage(improvement=None)) is None
    assert check_budget(budget(**keys), BudgetUsage(improvement=0.1)) is None
    assert "the last 5 trials improved" in judge(BudgetUsage(improvement=0.09), **keys).reason


def test_improvement_is_counted_from_the_first_value_on() -> None:
    assert Improvement(2, [None, None, None, 0.5, 0.4]).latest is None
    assert Improvement(2, [None, 0.5, 0.4, None]).latest == 0.5 - 0.4
    assert Improvement(2, [0.5, 0.4, 0.9, 0.8]).latest == 0.0
    assert Improvement(None, [0.5, 0.4, 0.3]).latest is None


@given(st.lists(st.none() | st.floats(0, 1)), st.integers(1, 5))
def test_improvement_kept_up_is_improvement_counted_anew(
    values: list[float | None], n: int
) -> None:
    known = [value for value in values if value is not None]
    before = [value for value in values[: max(0, len(values) - n)] if value is not None]
    expected = min(before) - min(known) if before else None
    assert Improvement(n, values).latest == expected


def test_limit_use_and_rest_of_each_budget() -> None:
    keys = {"max_seconds": 60, "max_gpu_hours": 1, "target_value": 0.01, "max_trial_seconds": 5}
    keys |= {"plateau_trials": 5, "plateau_improvement": 0.1}
    spent = BudgetUsage(
        n_finished=4, wall_seconds=90.0, gpu_seconds=1800.0, best_value=0.03, improvement=0.2
    )
    assert list_budgets(budget(**keys), 12, spent) == [
        ("trials", 12, 4, 8),
        ("max_seconds", 60, 90.0, 0),
        ("max_gpu_hours", 1, 0.5, 0.5),
        ("target_value", 0.01, 0.03, 0.03 - 0.01),
        ("plateau_improvement", 0.1, 0.2, None),
        ("max_trial_seconds", 5, None, None),
    ]
