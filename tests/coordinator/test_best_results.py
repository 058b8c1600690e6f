"""The best result of a study, and what a trial has to beat to be kept."""

from datetime import datetime
from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import TrialState

from sweep.coordinator.best_results import BestResults
from tests.support.coordinator_runs import STUDY, study_file

WIDTHS = IntDistribution(8, 1024, log=True)


def make_finished(number: int, value: float, width: int | None = 8) -> optuna.trial.FrozenTrial:
    searched: dict[str, Any] = {} if width is None else {"hidden_width": width}
    trial = optuna.trial.create_trial(
        value=value, params=searched, distributions=dict.fromkeys(searched, WIDTHS)
    )
    trial.number = number
    return trial


def best_of(
    *trials: optuna.trial.FrozenTrial, invalid: frozenset[int] = frozenset()
) -> BestResults:
    best = BestResults(study_file(STUDY))
    best.recount(trials, invalid)
    return best


def test_the_best_of_all_is_told_apart_from_the_best_of_a_width_class() -> None:
    best = best_of(make_finished(0, 0.2, 8), make_finished(1, 0.1, 512))
    assert (best.number, best.value) == (1, 0.1)
    assert (best.lowest_error(8), best.lowest_error(64)) == (0.2, float("inf"))


def test_an_invalid_trial_sets_no_limit() -> None:
    best = best_of(make_finished(0, 0.2), make_finished(1, 0.1), invalid=frozenset({1}))
    assert (best.number, best.lowest_error(8)) == (0, 0.2)


def test_a_trial_that_plain_optuna_added_without_our_settings_counts_by_its_value() -> None:
    best = best_of(make_finished(0, 0.2, None))
    assert (best.value, best.lowest_error(8)) == (0.2, float("inf"))


def test_the_plateau_counts_trials_in_the_order_in_which_they_ended() -> None:
    # The first to begin ends last: with the order of their numbers, the best value is at the start.
    began = [make_finished(number, value) for number, value in enumerate((0.1, 0.4, 0.3))]
    for trial, hour in zip(began, (3, 1, 2), strict=True):
        trial.datetime_complete = datetime(2026, 1, 1, hour)
    best = BestResults(
        study_file(STUDY, "budget.plateau_trials=2", "budget.plateau_improvement=0.1")
    )
    best.recount(began, frozenset())
    assert best.improvement.latest == pytest.approx(0.3)
    best.recount(began, frozenset({2}))
    assert best.improvement.latest == pytest.approx(0.3)
    best.recount(began, frozenset({0}))
    assert best.improvement.latest == pytest.approx(0.1)


def test_a_value_that_is_not_finite_or_a_trial_that_failed_is_no_best() -> None:
    failed = optuna.trial.create_trial(state=TrialState.FAIL)
    best = best_of(make_finished(0, float("inf")), failed)
    assert (best.number, best.value) == (None, None)
