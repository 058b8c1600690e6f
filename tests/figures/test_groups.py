"""What groups of trials have in common, against numpy's own quantiles."""

import numpy as np
import pytest

from sweep.figures.groups import group


def test_groups_agree_with_numpy_one_by_one() -> None:
    rng = np.random.default_rng(0)
    places, values = rng.integers(0, 7, 500), rng.random(500)
    groups = group(places, values, np.arange(500), 7)
    for place in range(7):
        own = values[places == place]
        assert groups.counts[place] == len(own)
        found = [groups.best[place], groups.low[place], groups.median[place], groups.high[place]]
        assert found == pytest.approx(np.quantile(own, [0, 0.1, 0.5, 0.9]))
        assert values[groups.best_numbers[place]] == own.min()


def test_where_more_is_better_the_highest_is_the_best_and_the_spread_stays_the_same() -> None:
    values = np.arange(11.0)
    groups = group(np.zeros(11, dtype=np.intp), values, np.arange(11), 1, highest=True)
    assert (groups.best[0], groups.best_numbers[0]) == (10.0, 10)
    assert (groups.low[0], groups.median[0], groups.high[0]) == pytest.approx((1.0, 5.0, 9.0))


def test_of_equals_the_first_trial_is_the_best() -> None:
    groups = group(np.zeros(2, dtype=np.intp), np.array([0.1, 0.1]), np.array([4, 3]), 1)
    assert groups.best_numbers.tolist() == [3]


def test_a_group_without_trials_has_no_numbers() -> None:
    groups = group(np.array([1]), np.array([0.1]), np.array([5]), 3)
    assert groups.counts.tolist() == [0, 1, 0]
    assert groups.best_numbers.tolist() == [-1, 5, -1]
    assert np.isnan(groups.median[[0, 2]]).all()
