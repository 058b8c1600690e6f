"""Which choice is told from the others by ranks."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from sweep.analysis import choices
from sweep.analysis.choices import find_best_choice

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_p_is_that_of_scipy(shift: float) -> None:
    a, b = RNG.normal(size=9).round(1), RNG.normal(shift, size=14).round(1)  # with ties
    expected = mannwhitneyu(a, b, method="asymptotic", use_continuity=True).pvalue
    assert choices._p(a, b) == pytest.approx(expected)


def test_a_choice_that_is_better_throughout_is_named_with_its_lead() -> None:
    groups = {"tanh": np.full(8, 0.02), "relu": np.linspace(0.05, 0.06, 8), "selu": np.ones(8)}
    found = find_best_choice(groups)
    assert found is not None and (found.name, found.runner_up) == ("tanh", "relu")
    assert found.ratio == pytest.approx(0.02 / 0.055) and found.p < 0.01


def test_of_equal_choices_one_is_called_best_in_less_than_a_twentieth_of_studies() -> None:
    draws = [{name: RNG.lognormal(size=12) for name in "abcd"} for _ in range(400)]
    assert np.mean([find_best_choice(groups) is not None for groups in draws]) < 0.05


def test_a_single_choice_is_not_compared() -> None:
    assert find_best_choice({"relu": np.ones(9)}) is None
