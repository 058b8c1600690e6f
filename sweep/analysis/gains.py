"""Estimate the gain of another doubling: of a trial's epochs, of its width, of its images.

A gain is the share by which the validation error would fall. The best evidence is a trained pair:
two trials whose configurations differ in one setting. Without one, the gain is estimated by a fit.

Notation: t epochs done, E(t) validation error, r(t) learning rate over its highest value, S(t) the
sum of r up to t (a step along the gradient counts by its length), H hidden width, P(H) PCA's error.
A curve is fitted by E = c + b S^-alpha + d r^p with b, c, d >= 0: a floor, a power law of the
training done, and the jitter of steps of that rate (for d: Tissue et al. 2024, arXiv:2408.11029,
fit curves under annealing by the same two sums). d is only used if the rate falls, because
otherwise it is part of c; p = 1 and p = 2 are both tried, because a curve seldom distinguishes
them. Twice the epochs mean twice S with the same end of r, so a cosine's own fall is no gain. The
fit is by least squares of relative residuals on a grid of alphas and gains; the interval contains
the gains whose best fit an F test at 90 % does not distinguish from the best of all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from sweep.analysis.floors import ROUNDING, Floors
from sweep.catalogue.formats import change
from sweep.enums import Schedule
from sweep.store.records import CurvePoint, TrialRow
from sweep.store.table import Numbers

#: Intervals contain the gain with this probability.
LEVEL = 0.9
#: Minimum number of epochs for a fit, one more than its parameters.
_LEAST = 4
#: Relative scatter about its best fit above which a curve determines no gain.
MAX_SCATTER = 0.3
#: Maximum number of fitted points of a curve.
_MOST = 100
#: G gains, the first of which is zero.
_GAINS = np.concatenate([[1e-6], np.linspace(0.005, 0.98, 196)])
_HALF_STEP = 0.0025
#: Exponents relative to that of a law without a floor.
_STEEPER = np.geomspace(1.0, 50.0, 40)
_STEEPEST = 6.0


class Doubling(StrEnum):
    """A quantity that can be doubled."""

    EPOCHS = "epochs"
    WIDTH = "width"
    IMAGES = "images"


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The share by which another doubling would lower the validation error."""

    of: Doubling
    estimate: float
    #: Ends of the 90 % interval; None if they are unknown.
    low: float | None = None
    high: float | None = None
    #: The evidence for it.
    source: str

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return change(self.estimate)
        return f"{change(self.estimate)} ({change(self.low)} to {change(self.high)})"

    def negated(self) -> "Gain":
        """Return the share by which the error would rise."""
        low, high = (None if end is None else -end for end in (self.high, self.low))
        return replace(self, estimate=-self.estimate, low=low, high=high)


#: By what is doubled; unknown gains are missing.
Gains = Mapping[Doubling, Gain]


@dataclass(frozen=True, kw_only=True)
class CurveFit:
    """Results of a curve's fit: the gain of more epochs, and the scatter of the steps."""

    gain: Gain | None
    #: Root mean square of the relative residuals.
    scatter: float


def fit_curve(trial: TrialRow, curve: Sequence[CurvePoint]) -> CurveFit | None:
    """Fit a trial's validation errors; None if there are fewer than two."""
    errors = np.array([of.val_mse for of in curve if of.val_mse], dtype=np.float64)
    if len(errors) < 2:
        return None
    if len(errors) < _LEAST:
        return CurveFit(gain=_last_doubling(errors), scatter=0.0)
    summed, rate = _schedule(trial, len(errors))
    # Early epochs follow other laws than late ones.
    first = len(errors) // 4 if len(errors) >= 2 * _LEAST else 0
    late = np.unique(np.linspace(first, len(errors) - 1, _MOST).round().astype(int))
    summed, rate, errors = summed[late] / summed[-1], rate[late], errors[late]
    jitters = [rate, rate**2] if rate[-1] < rate[0] else [None]
    losses = np.min([_losses(summed, jitter, errors) for jitter in jitters], axis=0)
    best = int(losses.argmin())
    scatter = float(np.sqrt(losses[best] / len(errors)))
    if scatter > MAX_SCATTER:
        return CurveFit(gain=None, scatter=scatter)
    n_free = max(1, len(errors) - (3 if jitters == [None] else 4))
    likely = _GAINS[losses <= losses[best] * (1 + fdtri(1, n_free, LEVEL) / n_free)]
    return CurveFit(
        gain=Gain(
            of=Doubling.EPOCHS,
            estimate=float(_GAINS[best]),
            low=max(0.0, float(likely[0]) - _HALF_STEP),
            high=float(likely[-1]) + _HALF_STEP,
            source="its curve",
        ),
        scatter=scatter,
    )


def _last_doubling(errors: Numbers) -> Gain:
    epochs, n = np.log(np.arange(1.0, len(errors) + 1.0)), len(errors)
    half = float(np.exp(np.interp(np.log(n / 2), epochs, np.log(errors))))
    gain = 1 - float(errors[-1]) / half
    return Gain(of=Doubling.EPOCHS, estimate=gain, source="its last doubling of epochs")


def _schedule(trial: TrialRow, n: int) -> tuple[Numbers, Numbers]:
    """Return S and r at the end of each epoch, (n,) each."""
    epochs = np.arange(1.0, n + 1.0)
    planned = max(float(trial.config.get("epochs") or n), float(n))
    match trial.config.get("lr_schedule"):
        case Schedule.COSINE:
            turn = np.pi * epochs / planned
            return epochs / 2 + planned / (2 * np.pi) * np.sin(turn), 0.5 * (1 + np.cos(turn))
        case Schedule.LINEAR_WARMUP:
            warmup = float(trial.config.get("warmup_epochs") or 0)
            rising = np.minimum(epochs, warmup)
            summed: Numbers = epochs - rising + rising**2 / (2 * max(warmup, 1.0))
            return summed, np.ones(n)
        case _:
            return epochs, np.ones(n)


def _losses(
    summed: Numbers,  # (n,) from above 0 to 1
    jitter: Numbers | None,  # (n,)
    errors: Numbers,  # (n,)
) -> NDArray[np.float64]:
    """Return the least sum of squared relative residuals for each of the gains: (G,).

    A gain g = b (1 - 2^-alpha) / (c + b) determines c from b, so that the floor and the power law
    are one column; with the jitter's there are two, which are non-negative in closed form.
    """
    # Without a floor g is 1 - 2^-alpha; with a floor the law is steeper.
    alphas = np.minimum(-np.log2(1 - _GAINS) * _STEEPER[:, None], _STEEPEST)  # (A, G)
    floor = (1 - 2.0**-alphas) / _GAINS - 1  # c / b
    law = (floor[..., None] + summed ** -alphas[..., None]) / errors  # (A, G, n)
    own, sum_of_law = (law**2).sum(-1), law.sum(-1)  # (A, G)
    explained = sum_of_law**2 / own
    if jitter is not None:
        other = jitter / errors
        both, square, sum_of_other = law @ other, other @ other, other.sum()
        determinant = own * square - both**2
        with np.errstate(divide="ignore", invalid="ignore"):
            a = (sum_of_law * square - sum_of_other * both) / determinant
            d = (sum_of_other * own - sum_of_law * both) / determinant
        together = np.where((a >= 0) & (d >= 0), a * sum_of_law + d * sum_of_other, 0.0)
        explained = np.fmax(explained, together)
    least: NDArray[np.float64] = np.maximum(len(errors) - explained, 0.0).min(axis=0)
    return least


def gain_from_pca(trial: TrialRow, floors: Floors | None) -> Gain | None:
    """Estimate the gain of twice the width: PCA's part of the error falls, the rest stays."""
    width, error = trial.hidden_width, trial.test_mse
    if floors is None or width is None or not error:
        return None
    line = floors.test_pca_mse
    wider = line[min(2 * width, floors.n_inputs)]
    now = line[min(width, floors.n_inputs)]
    if now <= ROUNDING:  # from as many units as inputs on
        return None
    # A network below PCA's line falls in proportion to it.
    return Gain(of=Doubling.WIDTH, estimate=(now - wider) / max(error, now), source="PCA’s line")
