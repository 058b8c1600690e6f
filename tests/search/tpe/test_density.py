"""The density against Optuna's own estimator, its slow twin."""

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from sweep.search.tpe.axes import Floats, Range, StepAxis, make_axis
from sweep.search.tpe.density import Density, JointParameters

KINDS: dict[str, BaseDistribution] = {
    "float": FloatDistribution(-3.0, 7.0),
    "far from zero": FloatDistribution(1e6, 1e6 + 1),
    "tiny": FloatDistribution(1e-9, 1e-7),
    "log": FloatDistribution(1e-6, 10.0, log=True),
    "stepped": FloatDistribution(0.1, 0.9, step=0.1),
    "categories": CategoricalDistribution(["relu", "tanh", "gelu"]),
    "few": IntDistribution(2, 6),
    "few, log": IntDistribution(1, 12, log=True),
    "few, stepped": IntDistribution(10, 50, step=10),
    "many": IntDistribution(0, 500),
    "many, log": IntDistribution(8, 1024, log=True),
}


def random_values(space: dict[str, BaseDistribution], n: int, seed: int) -> Floats:
    """Internal values (n, parameters), as a prior draws them: ends of ranges are among them."""
    rng = np.random.RandomState(seed)
    return Density(JointParameters(space), np.empty((0, len(space)))).sample(rng, n)


def density(space: dict[str, BaseDistribution], n: int) -> Density:
    return Density(JointParameters(space), random_values(space, n, seed=1))


def columns(space: dict[str, BaseDistribution], values: Floats) -> dict[str, Floats]:
    return dict(zip(space, values.T, strict=True))


@pytest.mark.parametrize("n", [0, 1, 2, 30, 700])
@pytest.mark.parametrize("name", KINDS)
def test_a_density_is_optunas(name: str, n: int) -> None:
    space = {name: KINDS[name]}
    fitted, values = density(space, n), random_values(space, 100, seed=2)
    expected = fitted.estimator.log_pdf(columns(space, values))
    np.testing.assert_allclose(fitted.log_pdf(values), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n", [0, 50, 2000])
def test_a_density_of_all_kinds_together_is_optunas(n: int) -> None:
    fitted, values = density(KINDS, n), random_values(KINDS, 150, seed=2)
    expected = fitted.estimator.log_pdf(columns(KINDS, values))
    np.testing.assert_allclose(fitted.log_pdf(values), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n", [0, 3, 200])
def test_the_same_random_numbers_give_the_values_that_optuna_draws(n: int) -> None:
    space = {name: d for name, d in KINDS.items() if not name.startswith("many")}
    fitted = density(space, n)
    expected = fitted.estimator.sample(np.random.RandomState(3), 300)
    drawn = columns(space, fitted.sample(np.random.RandomState(3), 300))
    for name in space:
        np.testing.assert_allclose(drawn[name], expected[name], rtol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_drawn_lies_in_the_range_and_on_its_steps(name: str) -> None:
    distribution = KINDS[name]
    (drawn,) = density({name: distribution}, 20).sample(np.random.RandomState(0), 500).T
    assert all(distribution._contains(value) for value in drawn)


def test_numbers_of_few_values_are_listed_and_of_many_are_a_range() -> None:
    assert isinstance(make_axis(IntDistribution(1, 32)), StepAxis)
    assert isinstance(make_axis(IntDistribution(1, 33)), Range)
    assert isinstance(make_axis(FloatDistribution(0, 1, step=0.25)), StepAxis)


def test_a_width_taken_for_continuous_is_weighed_much_as_optunas_whole_number() -> None:
    # What a proposal is chosen by: how much denser good trials are than the others.
    space = {"width": IntDistribution(8, 1024, log=True)}
    exact = JointParameters(space)
    exact.axes = [StepAxis(IntDistribution(8, 1024, log=True))]
    exact.modelled = space
    rng = np.random.default_rng(0)
    good = np.rint(np.exp(rng.normal(np.log(60), 0.3, (20, 1)))).clip(8, 1024)
    others = random_values(space, 300, seed=4)
    values = Density(exact, good).sample(np.random.RandomState(1), 400)
    gains = [
        Density(group, good).log_pdf(values) - Density(group, others).log_pdf(values)
        for group in (JointParameters(space), exact)
    ]
    assert np.corrcoef(gains)[0, 1] > 0.98
