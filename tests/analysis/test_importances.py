from typing import Any

import pytest

from sweep.analysis.importances import MIN_TRIALS, importances
from sweep.store.records import ChoiceDomain, Domain, NumberDomain, TrialRow
from tests.store_factories import trial_row

DOMAINS: dict[str, Domain] = {
    "hidden_width": NumberDomain(low=8, high=1024, log=True, step=1, integer=True),
    "loss": ChoiceDomain(choices=("bce", "mse")),
    "sgd.momentum": NumberDomain(low=0.0, high=0.99, log=False, step=None, integer=False),
}


def rows(n: int, **changes: Any) -> list[TrialRow]:
    """Trials whose error falls with the width, whatever the loss."""
    return [
        trial_row(
            number=number,
            values=(1.0 / (8 + number),),
            params={"hidden_width": 8 + number, "loss": ("bce", "mse")[number % 2]},
            **changes,
        )
        for number in range(n)
    ]


def test_what_decides_the_value_has_the_greatest_share() -> None:
    found = importances(rows(60), DOMAINS)
    assert list(found.shares) == ["hidden_width", "loss"]
    assert found.shares["hidden_width"] > 0.8
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert (found.n_trials, found.best_share, found.reason) == (60, 0.1, None)


def test_few_trials_compare_a_larger_share_with_all() -> None:
    assert importances(rows(20), DOMAINS).best_share == 0.25


def test_too_few_trials_have_no_shares_but_a_reason() -> None:
    found = importances(rows(MIN_TRIALS - 1), DOMAINS)
    assert found.shares == {}
    assert found.reason == "needs at least 20 finished trials, and there are 19"


def test_failed_invalid_and_infinite_trials_do_not_count() -> None:
    trials = [
        *rows(5),
        *rows(5, state="FAIL"),
        *rows(5, invalid=True),
        trial_row(number=99, values=(float("inf"),)),
    ]
    assert importances(trials, DOMAINS).n_trials == 5


def test_a_study_that_searches_nothing_says_so() -> None:
    trials = [trial_row(number=number, values=(number,)) for number in range(20)]
    assert "every setting is fixed" in str(importances(trials, {}).reason)


def test_a_conditional_parameter_that_few_trials_have_is_left_out() -> None:
    # Three trials, one of them very good: PED-ANOVA would give momentum more than half.
    few = [
        trial_row(number=50 + n, values=(0.5 / n,), params={"sgd.momentum": n / 10})
        for n in (1, 2, 9)
    ]
    found = importances([*rows(30), *few], DOMAINS)
    assert list(found.shares) == ["hidden_width", "loss"]
    assert found.left_out == ("sgd.momentum",)


def test_importances_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    importances(rows(20), DOMAINS)
    assert capsys.readouterr().err == ""
