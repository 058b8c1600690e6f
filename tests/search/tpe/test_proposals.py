"""Many proposals from one fit."""

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from sweep.search.tpe.density import Density, JointParameters
from sweep.search.tpe.proposals import Lies, Proposals

SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-5, 1e-1, log=True),
    "beta": FloatDistribution(0.5, 0.99),
    "epochs": IntDistribution(1, 9),
    "loss": CategoricalDistribution(["mse", "l1"]),
}
GROUP = JointParameters(SPACE)


def prior_values(n: int, seed: int = 0) -> np.ndarray:
    return Density(GROUP, np.empty((0, 4))).sample(np.random.RandomState(seed), n)


def proposals(n_asks: int, seed: int = 0) -> Proposals:
    below, above = Density(GROUP, prior_values(8, 1)), Density(GROUP, prior_values(90, 2))
    return Proposals(below, above, np.random.RandomState(seed), n_candidates=24, n_asks=n_asks)


@pytest.mark.parametrize("n", [0, 1, 2, 40, 300])
def test_a_lie_is_the_kernel_that_a_fit_with_one_trial_more_would_have(n: int) -> None:
    # Without whole numbers: of equal ones, Optuna's sort decides which has a neighbour.
    group = JointParameters({name: d for name, d in SPACE.items() if name != "epochs"})
    values = Density(group, np.empty((0, 3))).sample(np.random.RandomState(0), n + 1)
    older, fitted = Density(group, values[:-1]), Density(group, values)
    lie, newest = Lies(older).add(values[-1])[:, 0], fitted._coefficients[:, -2]
    np.testing.assert_allclose(lie[:-1], newest[:-1], rtol=1e-9, atol=1e-9)
    # The weights of the fit with one trial more sum to one again.
    heavier = np.log(older.newest_weight / fitted.newest_weight)
    assert lie[-1] - heavier == pytest.approx(newest[-1], rel=1e-9)


def test_a_proposal_has_the_largest_gain_among_its_candidates() -> None:
    made = proposals(n_asks=1)
    found = made.next()
    values = made._candidates[0]
    gain = made._below.log_pdf(values) - made._above.log_pdf(values)
    assert found == GROUP.external(values[np.argmax(gain)])


def test_proposals_of_one_fit_keep_clear_of_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def spread(made: Proposals) -> float:
        rates = np.log([made.next()["rate"] for _ in range(64)])
        return float(np.median(np.diff(np.sort(rates))))

    apart = [spread(proposals(64, seed)) for seed in range(5)]
    monkeypatch.setattr(Proposals, "_lie", lambda *_: None)
    assert np.mean(apart) > 1.2 * np.mean([spread(proposals(64, seed)) for seed in range(5)])


def test_earlier_lies_count_in_a_later_block() -> None:
    made = proposals(n_asks=64)
    for _ in range(17):
        made.next()
    features = made._features.reshape(-1, made._features.shape[-1])
    honest = made._above.at(features)
    assert (made._density_above.ravel() >= honest).all()
    assert made._density_above.sum() > 1.01 * honest.sum()
    assert len(made._lies.coefficients) == 16
