from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep.analysis import importances as module
from sweep.analysis.importances import MIN_TRIALS, importances
from sweep.config import TrialConfig
from sweep.enums import Loss, Optimizer
from sweep.store.records import ChoiceDomain, Domain, NumberDomain, TrialRow
from tests.support.store_factories import trial_row, trial_table

DOMAINS: dict[str, Domain] = {
    "hidden_width": NumberDomain(low=8, high=1024, log=True, step=1, integer=True),
    "loss": ChoiceDomain(choices=("bce", "mse")),
}
CONDITIONAL: dict[str, Domain] = {
    "optimizer": ChoiceDomain(choices=("adam", "sgd")),
    "sgd.momentum": NumberDomain(low=0.0, high=0.99, log=False, step=None, integer=False),
}


def row(number: int, value: float, /, *, config: TrialConfig, **fields: Any) -> TrialRow:
    return trial_row(number=number, values=(value,), config=config, **fields)


def config(number: int) -> TrialConfig:
    return TrialConfig(hidden_width=8 + number, loss=(Loss.BCE, Loss.MSE)[number % 2])


def rows(n: int, first: int = 0, **changes: Any) -> list[TrialRow]:
    """Trials whose error falls with the width, whatever the loss."""
    return [row(first + k, 1.0 / (8 + k), config=config(k), **changes) for k in range(n)]


def test_what_decides_the_value_has_the_greatest_share() -> None:
    found = importances(trial_table(*rows(60)), DOMAINS)
    assert list(found.shares) == ["hidden_width", "loss"]
    assert found.shares["hidden_width"] > 0.8
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert (found.n_trials, found.best_share, found.reason) == (60, 0.1, None)


def test_few_trials_compare_a_larger_share_with_all() -> None:
    assert importances(trial_table(*rows(20)), DOMAINS).best_share == 0.25


def test_too_few_trials_have_no_shares_but_a_reason() -> None:
    found = importances(trial_table(*rows(MIN_TRIALS - 1)), DOMAINS)
    assert found.shares == {}
    assert found.reason == "there are 19 finished trials"


def test_failed_invalid_and_infinite_trials_do_not_count() -> None:
    trials = [
        *rows(5),
        *rows(5, 5, state="FAIL"),
        *rows(5, 10, invalid=True),
        trial_row(number=99, values=(float("inf"),)),
    ]
    assert importances(trial_table(*trials), DOMAINS).n_trials == 5


def test_a_study_that_searches_nothing_says_so() -> None:
    trials = [trial_row(number=number, values=(number,)) for number in range(20)]
    assert "every setting is fixed" in str(importances(trial_table(*trials), {}).reason)


def test_trials_that_all_ended_alike_tell_nothing() -> None:
    trials = [row(number, 0.5, config=config(number)) for number in range(20)]
    reason = importances(trial_table(*trials), DOMAINS).reason
    assert reason == "all trials ended with the same value"


def test_a_conditional_setting_that_few_trials_have_is_left_out() -> None:
    # Three trials, one of them very good: PED-ANOVA would give momentum more than half.
    few = [
        row(50 + n, 0.5 / n, config=replace(config(n), optimizer=Optimizer.SGD, momentum=n / 10))
        for n in (1, 2, 9)
    ]
    found = importances(trial_table(*rows(30), *few), DOMAINS | CONDITIONAL)
    assert "momentum" not in found.shares
    assert found.left_out == ("momentum",)


def test_a_setting_under_a_condition_is_of_the_trials_that_met_it() -> None:
    # Adam's trials all have momentum 0: were they counted, the others' 0 would be nothing new.
    trials = [
        row(
            number,
            0.01 * number if number % 2 else 1.0,
            config=TrialConfig(
                optimizer=Optimizer.SGD if number % 2 else Optimizer.ADAM,
                momentum=number / 100 if number % 2 else 0.0,
            ),
        )
        for number in range(60)
    ]
    shares = importances(trial_table(*trials), CONDITIONAL).shares
    assert shares["momentum"] > shares["optimizer"] > 0


def test_a_setting_with_a_range_for_each_choice_has_one_share() -> None:
    ranges: dict[str, Domain] = {
        "optimizer": ChoiceDomain(choices=("adam", "sgd")),
        "adam.learning_rate": NumberDomain(low=1e-4, high=1e-2, log=True, step=None, integer=False),
        "sgd.learning_rate": NumberDomain(low=1e-2, high=1.0, log=True, step=None, integer=False),
    }
    trials = [
        row(
            number,
            1.0 + number // 2,
            config=TrialConfig(
                optimizer=(Optimizer.ADAM, Optimizer.SGD)[number % 2],
                learning_rate=(1e-4, 1e-2)[number % 2] * 1.1 ** (number // 2),
            ),
        )
        for number in range(60)
    ]
    shares = importances(trial_table(*trials), ranges).shares
    assert list(shares) == ["learning_rate", "optimizer"]
    assert shares["learning_rate"] > 0.9


def test_of_very_many_trials_a_sample_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TRIALS", 40)
    table = trial_table(*rows(60))
    found = importances(table, DOMAINS)
    assert (found.n_trials, found.n_compared) == (60, 40)
    assert found.shares == importances(table, DOMAINS).shares
    assert np.isclose(sum(found.shares.values()), 1.0)


def test_importances_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    importances(trial_table(*rows(20)), DOMAINS)
    assert capsys.readouterr().err == ""
