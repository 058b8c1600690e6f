"""Propose one group's values for several trials in turn, all from one fit.

Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011): among candidates drawn from
the density of good trials, l(x), the one with the largest l(x) / g(x) is proposed; g(x) is the
density of the others. Trials that are asked for before new results arrive must not all be the same:
each proposal counts as a bad result ("constant liar"), one more kernel of g(x). Optuna fits g(x)
again for it; here the kernel is added to the values of g(x) already computed.
"""

from bisect import bisect, insort

import numpy as np
from optuna.samplers._tpe.probability_distributions import (
    _BatchedCategoricalDistributions,
    _BatchedDistributions,
)

from sweep.search.tpe.axes import Floats
from sweep.search.tpe.density import Density, sum_of_kernels

#: Asks whose candidates are drawn and evaluated together: at 10,000 trials a pause of some 10 ms,
#: and groups of choices that few trials make are not evaluated for many.
_BLOCK = 16


class Proposals:
    """Proposals from the density of good trials and that of the others."""

    def __init__(
        self,
        below: Density,
        above: Density,
        rng: np.random.RandomState,
        n_candidates: int,
        n_asks: int,
    ) -> None:
        """``n_asks`` proposals are expected; more may be asked for."""
        self._below, self._above, self._rng = below, above, rng
        self._group = below.group
        self._block, self._n_candidates = min(n_asks, _BLOCK), n_candidates
        self._n_asked = 0
        self._lies = Lies(above)
        self._candidates: Floats = np.empty((0, n_candidates, 0))
        self._features: Floats = np.empty((0, n_candidates, 0))
        self._log_below: Floats = np.empty((0, n_candidates))
        self._density_above: Floats = np.empty((0, n_candidates))
        self._pending: Floats | None = None

    def next(self) -> dict[str, object]:
        """Return the next trial's parameters."""
        i = self._n_asked % self._block
        self._n_asked += 1
        if self._pending is not None:
            self._lie(self._pending, i)
        if i == 0:
            self._draw()
        gain = self._log_below[i] - np.log(self._density_above[i])
        self._pending = self._candidates[i, np.argmax(gain)]
        return self._group.external(self._pending)

    def _draw(self) -> None:
        shape = (self._block, self._n_candidates)
        values = self._below.sample(self._rng, shape[0] * shape[1])
        features = self._group.features(values)
        self._candidates = values.reshape(*shape, -1)
        self._features = features.reshape(*shape, -1)
        self._log_below = np.log(self._below.at(features)).reshape(shape)
        above = self._above.at(features)
        for lie in self._lies.coefficients:
            above += sum_of_kernels(features, lie)
        self._density_above = above.reshape(shape)

    def _lie(self, values: Floats, i: int) -> None:
        """Count the proposal as bad for the asks from ``i`` of this block on, and later."""
        lie = self._lies.add(values)
        if i > 0:
            self._density_above[i:] += np.exp(self._features[i:] @ lie)[..., 0]


class Lies:
    """Kernels added to a density as a new fit would create them.

    The existing ones do not change.
    """

    def __init__(self, above: Density) -> None:
        self._above = above
        #: One for each lie, (F, 1).
        self.coefficients: list[Floats] = []
        self._sorted: list[list[float]] | None = None

    def add(self, values: Floats) -> Floats:
        """Add one more trial with these internal values; return its coefficients (F, 1)."""
        if self._sorted is None:
            self._sorted = [_sorted_centres(kernels) for kernels in self._above.kernels]
        kernels = [
            self._kernel(axis, value, centres)
            for axis, value, centres in zip(
                self._above.kernels, values.tolist(), self._sorted, strict=True
            )
        ]
        log_weight = np.log([self._above.newest_weight])
        self.coefficients.append(self._above.group.coefficients(log_weight, kernels))
        return self.coefficients[-1]

    def _kernel(
        self, axis: _BatchedDistributions, value: float, centres: list[float]
    ) -> _BatchedDistributions:
        n_kernels = self._above.n_kernels + len(self.coefficients) + 1
        if isinstance(axis, _BatchedCategoricalDistributions):
            return _categorical_kernel(int(value), axis.weights.shape[1], n_kernels)
        mu = float(np.log(value)) if axis.is_log else value
        sigma = _bandwidth(mu, centres, axis.adapted_low, axis.adapted_high, n_kernels)
        insort(centres, mu)
        return axis._replace(mu=np.array([mu]), sigma=np.array([sigma]))


def _sorted_centres(kernels: _BatchedDistributions) -> list[float]:
    if isinstance(kernels, _BatchedCategoricalDistributions):
        return []
    centres: list[float] = np.sort(kernels.mu[:-1]).tolist()  # the last one is the prior's
    return centres


def _categorical_kernel(
    place: int, n_choices: int, n_kernels: int
) -> _BatchedCategoricalDistributions:
    weights = np.full((1, n_choices), 1 / n_kernels)
    weights[0, place] += 1
    return _BatchedCategoricalDistributions(weights / weights.sum())


def _bandwidth(mu: float, centres: list[float], low: float, high: float, n_kernels: int) -> float:
    """Choose a bandwidth like ``_ParzenEstimator``: the larger gap to a neighbour, limited."""
    place = bisect(centres, mu)
    neighbours = centres[max(place - 1, 0) : place + 1] or [low, high]
    narrowest = (high - low) / min(100.0, 1.0 + n_kernels)
    return min(max(narrowest, *(abs(mu - neighbour) for neighbour in neighbours)), high - low)
