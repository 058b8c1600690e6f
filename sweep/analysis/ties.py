"""Find the configurations that are statistically indistinguishable from the best.

Notation: K configurations, the validation errors of configuration k by seed e_k1, e_k2, ...

Every pair is compared by Welch's t test (two-sided) of log errors: seeds change an error by a
factor rather than by an amount, and spread differently from configuration to configuration. The
best one is selected on the same numbers; tests against it alone would find differences that do not
exist. So Holm's correction (1979) is over all K (K - 1) / 2 pairs, which is valid for whichever
pairs are selected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import stdtr

from sweep.catalogue.formats import change

#: A configuration is proposed instead of the best only up to this error, relative to the best's:
#: few seeds cannot distinguish large differences either.
NEAR = 1.1
#: With fewer seeds the spread cannot be estimated.
MIN_SEEDS = 3
#: Probability that any of a study's configurations is found different if all are equal.
LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A configuration trained with several seeds."""

    #: The trial that represents it.
    number: int
    #: One per seed.
    errors: tuple[float, ...]
    n_parameters: int | None
    #: Mean for one seed.
    train_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Tied:
    """A candidate compared with the best."""

    candidate: Candidate
    #: Geometric mean over the seeds.
    error: float
    #: The error divided by that of the best.
    times_best: float
    #: p value of no difference from the best, after Holm; 1 for the best itself.
    p: float

    @property
    def is_tied(self) -> bool:
        """Whether it is indistinguishable from the best; the best itself is."""
        return self.p > LEVEL


@dataclass(frozen=True, kw_only=True)
class TieSet:
    """The candidates, lowest error first; the first is the best."""

    compared: tuple[Tied, ...]
    #: Among those that tie and are near the best, the one with the fewest parameters and the one
    #: with the shortest training; None if that is not known for all of them.
    smallest: int | None
    cheapest: int | None
    #: The study that retrained them; None with the seeds of the study that found them.
    retrained_in: str | None = None
    #: Candidates whose retraining failed.
    left_out: tuple[int, ...] = ()

    @property
    def n_seeds(self) -> int:
        """Return the number of seeds of the candidate with the fewest seeds."""
        return min(len(of.candidate.errors) for of in self.compared)

    @property
    def left_open(self) -> str:
        """Return a sentence about what a tie does not say; empty if the best has no ties."""
        widest = max((of for of in self.compared if of.is_tied), key=lambda of: of.times_best)
        if widest.times_best == 1:
            return ""
        return (
            f"Indistinguishable does not mean equal: trial {widest.candidate.number} has "
            f"{change(widest.times_best - 1)} more error than the best, which may be "
            f"chance with {self.n_seeds} seeds; more seeds reveal smaller differences."
        )


def tie_set(candidates: Sequence[Candidate]) -> TieSet | None:
    """Compare the candidates with enough seeds with the best; None with fewer than two of them."""
    usable = [of for of in candidates if len(of.errors) >= MIN_SEEDS and min(of.errors) > 0]
    if len(usable) < 2:
        return None
    ordered = sorted(usable, key=lambda of: (_log_mean(of), of.number))
    compared_pairs = pairs(len(ordered))
    p_values = holm([welch(*pair_of(ordered, pair)) for pair in compared_pairs])
    corrected = dict(zip(compared_pairs, p_values, strict=True))
    best = _log_mean(ordered[0])
    compared = tuple(
        Tied(
            candidate=of,
            error=float(np.exp(_log_mean(of))),
            times_best=float(np.exp(_log_mean(of) - best)),
            p=corrected[0, place] if place else 1.0,
        )
        for place, of in enumerate(ordered)
    )
    near = [of.candidate for of in compared if of.is_tied and of.times_best <= NEAR]
    return TieSet(
        compared=compared,
        smallest=_least(near, [of.n_parameters for of in near]),
        cheapest=_least(near, [of.train_seconds for of in near]),
    )


def pairs(n: int) -> list[tuple[int, int]]:
    """Return all pairs of n."""
    return list(combinations(range(n), 2))


def pair_of(
    candidates: Sequence[Candidate], pair: tuple[int, int]
) -> tuple[Sequence[float], Sequence[float]]:
    """Return the log errors of two candidates."""
    one, other = (np.log(candidates[place].errors).tolist() for place in pair)
    return one, other


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the two-sided p value of Welch's t test, for samples of two numbers or more.

    For two samples without any spread it is 1 if they are equal and 0 otherwise.
    """
    means, parts, sizes = zip(
        *((np.mean(of), np.var(of, ddof=1) / len(of), len(of)) for of in (one, other)), strict=True
    )
    variance = sum(parts)
    if variance == 0:
        return float(means[0] == means[1])
    t = abs(means[0] - means[1]) / np.sqrt(variance)
    freedom = variance**2 / sum(part**2 / (n - 1) for part, n in zip(parts, sizes, strict=True))
    return float(2 * stdtr(freedom, -t))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct each p value for their number, with Holm's step-down method."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.sort(p_values) * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return [float(of) for of in corrected]


def _log_mean(of: Candidate) -> float:
    return float(np.mean(np.log(of.errors)))


def _least(candidates: Sequence[Candidate], costs: Sequence[float | None]) -> int | None:
    known = [cost for cost in costs if cost is not None]
    return candidates[int(np.argmin(known))].number if len(known) == len(candidates) else None
