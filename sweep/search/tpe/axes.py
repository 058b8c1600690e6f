"""Represent a parameter of a Parzen estimator by features of values and coefficients of kernels.

Notation: M candidates, N kernels, F features. The log density that a kernel n gives a value x is
linear in a few features of x, so for M values and N kernels it is a product of two matrices:

    log p_n(x) = features(x) . coefficients[:, n] + constants[n]

- a truncated normal in u, which is x or log x relative to the middle of its range:
  features (u^2, u), coefficients (-1 / 2s^2, mu / s^2),
  constants -mu^2 / 2s^2 - log(s Z sqrt(2 pi)), with Z the mass of the normal inside the range;
- a list of values: an indicator feature for each; its log probability is the coefficient.
  This covers categories, and whole or stepped numbers of few values, whose probability is the mass
  of the normal from half a step below the value to half a step above.

Numbers of many values are treated as continuous, from half a step below their range to half a step
above, and rounded: kernels are then at least a third of a step wide, or in logarithmic ranges
narrower than a step only where steps are largest, and the exact mass would be expensive.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers._tpe.probability_distributions import (
    _BatchedCategoricalDistributions,
    _BatchedDiscreteTruncLogNormDistributions,
    _BatchedDiscreteTruncNormDistributions,
    _BatchedDistributions,
    _BatchedTruncLogNormDistributions,
    _BatchedTruncNormDistributions,
    _unique_inverse_2d,
)
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

_Normals = (
    _BatchedTruncNormDistributions
    | _BatchedTruncLogNormDistributions
    | _BatchedDiscreteTruncNormDistributions
    | _BatchedDiscreteTruncLogNormDistributions
)
#: Numbers with more values are treated as continuous.
MOST_LISTED = 32
#: Smaller logs are replaced by this. It is negligible compared with the prior, but a feature of
#: zero must not meet an infinite coefficient, and numpy's exp takes ten times as long for results
#: below 1e-308.
LOWEST_LOG = -700.0


class ParameterAxis(Protocol):
    """One parameter."""

    #: The distribution that the estimator is fitted with.
    modelled: BaseDistribution
    n_features: int

    def features(self, values: Floats) -> Floats:
        """Compute features of Optuna's internal values (M,), one row each.

        Shape (M, n_features).
        """
        ...

    def coefficients(self, kernels: Any) -> tuple[Floats, Floats]:
        """Compute coefficients (n_features, N) and constants (N,) of Optuna's batch of kernels."""
        ...


class Categories:
    """Unordered choices."""

    def __init__(self, distribution: CategoricalDistribution) -> None:
        self.modelled: BaseDistribution = distribution
        self.n_features = len(distribution.choices)

    def features(self, values: Floats) -> Floats:
        """Encode categories one-hot."""
        return _one_hot(values.astype(np.intp), self.n_features)

    def coefficients(self, kernels: _BatchedCategoricalDistributions) -> tuple[Floats, Floats]:
        """Return the log weights of the categories."""
        return np.log(kernels.weights).T, np.zeros(len(kernels.weights))


class StepAxis:
    """Numbers with few values."""

    def __init__(self, distribution: IntDistribution | FloatDistribution) -> None:
        assert distribution.step is not None
        self.modelled: BaseDistribution = distribution
        self.n_features = n_values(distribution)
        self._low, self._step = distribution.low, distribution.step
        edges = self._low + self._step * (np.arange(self.n_features + 1) - 0.5)
        self._edges = np.log(edges) if distribution.log else edges

    def features(self, values: Floats) -> Floats:
        """Encode grid values one-hot."""
        places = np.rint((values - self._low) / self._step).astype(np.intp)
        return _one_hot(places, self.n_features)

    def coefficients(self, kernels: _Normals) -> tuple[Floats, Floats]:
        """Return the log mass of the kernels at each grid value."""
        # Trials share values, so kernels repeat.
        mu, sigma, which = _unique_inverse_2d(kernels.mu, kernels.sigma)
        edges = (self._edges[:, np.newaxis] - mu) / sigma
        log_mass = log_normal_mass(edges[:-1], edges[1:]) - log_normal_mass(edges[0], edges[-1])
        return np.maximum(log_mass, LOWEST_LOG)[:, which], np.zeros(len(which))


class Range:
    """Numbers with any or many values."""

    n_features = 2

    def __init__(self, distribution: IntDistribution | FloatDistribution) -> None:
        half = (distribution.step or 0.0) / 2
        low, high = distribution.low - half, distribution.high + half
        self.modelled: BaseDistribution = FloatDistribution(low, high, log=distribution.log)
        self._scale: Callable[[Any], Any] = np.log if distribution.log else np.asarray
        low, high = float(self._scale(low)), float(self._scale(high))
        # Relative to the middle: squares of numbers far from 0 leave no digits for their
        # difference.
        self._low, self._high, self._middle = low, high, (low + high) / 2

    def features(self, values: Floats) -> Floats:
        """Return squares and values, centred and on the kernels' scale."""
        u = self._scale(values) - self._middle
        return np.stack([u * u, u], axis=1)

    def coefficients(self, kernels: _Normals) -> tuple[Floats, Floats]:
        """Return the quadratic form of the truncated normals' log densities."""
        mu, sigma = kernels.mu - self._middle, kernels.sigma
        precision = sigma**-2.0
        log_mass = log_normal_mass(
            (self._low - kernels.mu) / sigma, (self._high - kernels.mu) / sigma
        )
        constants = -0.5 * mu * mu * precision - np.log(sigma * math.sqrt(2 * math.pi)) - log_mass
        return np.stack([-0.5 * precision, mu * precision]), constants


def make_axis(distribution: BaseDistribution) -> ParameterAxis:
    """Build the axis of a parameter."""
    if isinstance(distribution, CategoricalDistribution):
        return Categories(distribution)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    if distribution.step is not None and n_values(distribution) <= MOST_LISTED:
        return StepAxis(distribution)
    return Range(distribution)


def n_values(distribution: IntDistribution | FloatDistribution) -> int:
    """Return how many values a stepped range has."""
    assert distribution.step is not None
    return round((distribution.high - distribution.low) / distribution.step) + 1


def round_to_step(distribution: BaseDistribution, values: Floats) -> Floats:
    """Round numbers drawn from a range to its nearest step, if it has steps."""
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        return values
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is not None:
        values = low + np.rint((values - low) / step) * step
    return np.clip(values, low, high)


def draw(kernels: _BatchedDistributions, chosen: NDArray[np.intp], quantiles: Floats) -> Floats:
    """Draw a value for each quantile in [0, 1), each from its chosen kernel. All (M,)."""
    if isinstance(kernels, _BatchedCategoricalDistributions):
        cumulative = np.cumsum(kernels.weights[chosen], axis=1)
        cumulative[:, -1] = 1.0  # whatever rounding lost
        places: Floats = np.sum(cumulative < quantiles[:, np.newaxis], axis=1, dtype=np.float64)
        return places
    values = _truncated_normal(
        quantiles,
        kernels.mu[chosen],
        kernels.sigma[chosen],
        kernels.adapted_low,
        kernels.adapted_high,
    )
    return np.exp(values) if kernels.is_log else values


def log_normal_mass(low: Floats, high: Floats) -> Floats:
    """Compute the log of the standard normal's mass from low to high."""
    # Masses far out on the right are differences of numbers near 1; on the left, near 0.
    mirrored = low > 0
    left, right = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    with np.errstate(divide="ignore"):
        found: Floats = np.log(ndtr(right) - ndtr(left))
    return found


def _truncated_normal(
    quantiles: Floats, mu: Floats, sigma: Floats, low: float, high: float
) -> Floats:
    left, right = ndtr((low - mu) / sigma), ndtr((high - mu) / sigma)
    found: Floats = ndtri(left + quantiles * (right - left)) * sigma + mu
    return np.clip(found, low, high)


def _one_hot(places: NDArray[np.intp], n: int) -> Floats:
    return np.eye(n)[places]
