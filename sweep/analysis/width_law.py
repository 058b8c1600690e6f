"""Model how the error depends on the hidden width: best, median and spread, and a law for the best.

Notation: H hidden width, E error, n widths, R resamples, J exponents tried. The law is E(H) = E_inf
+ A H^-alpha with E_inf, A >= 0 (as in Hestness et al. 2017, "Deep Learning Scaling is Predictable,
Empirically", for data). It is fitted by least squares of relative residuals, sum_i (E(H_i) / E_i -
1)^2: for a given alpha that is linear in E_inf and A and solved in closed form, and alpha is the
best of a fine grid, so there is no start to choose and no local minimum. Intervals are 90 %
percentile intervals of a bootstrap of the residuals (Davison and Hinkley 1997, chapter 6), scaled
by sqrt(n / (n - 3)), because a fit of three numbers makes residuals too small, and by the ratio of
Student's to the normal quantile, because they are few. If a law without E_inf fits as well, by an F
test at the intervals' level, each interval also includes that law's: at the bound E_inf = 0,
resamples of the other law alone exclude too much (on the bootstrap at a bound: Andrews 2000,
Econometrica 68). They cover only the scatter about the law, not a wrong law: if the residuals bend,
by an F test of one more power of log H, there is no law.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, ndtri, stdtrit

from sweep.catalogue.formats import change, count, number, percent
from sweep.config import width_class
from sweep.store.table import Choices, Numbers, TrialTable

Metric = Literal["val_mse", "test_mse"]

#: Settings by whose choices the widths are analysed separately.
SPLITS = ("activation", "loss", "output_activation", "optimizer")
#: Up to this many distinct widths are used individually; more are grouped into half octaves.
_MAX_WIDTHS = 24
#: A law of three numbers needs more widths than that, and enough to detect a bend.
_MIN_WIDTHS = 5
MIN_SPAN = 8.0
#: The error has stopped falling if twice the widest layer would lower it by less than this.
PLATEAU = 0.1
#: Errors with a larger root mean square of relative residuals do not follow the law.
_MAX_SCATTER = 0.3
#: Finer for the estimate than for the resamples.
_ALPHAS = np.geomspace(0.05, 6.0, 8_000)
_COARSE_ALPHAS = _ALPHAS[::20]
#: Residuals that bend with a smaller p value follow another law.
_BENT = 0.01
#: Scatter of a law that is exact for all practical purposes, bent or not.
_EXACT = 0.01
_N_RESAMPLES = 200
_ENDS = (0.05, 0.95)


class WidthVerdict(StrEnum):
    """What the tried widths say about wider ones."""

    PLATEAU = "plateau"
    FALLING = "still falling"
    TOO_FEW = "too few widths"
    SCATTERED = "no law"
    BENT = "another law"


class Interval(NamedTuple):
    """An estimate between the ends of its 90 % interval."""

    low: float
    estimate: float
    high: float


@dataclass(frozen=True, kw_only=True)
class WidthErrors:
    """Errors of finished trials, by width; one entry per width, ascending."""

    #: The best trial's width, if entries are classes of widths.
    widths: NDArray[np.float64]  # (n,)
    n_trials: NDArray[np.int64]  # (n,)
    #: The best trial's number.
    numbers: NDArray[np.int64]  # (n,)
    best: NDArray[np.float64]  # (n,)
    median: NDArray[np.float64]  # (n,)
    #: Quartiles.
    low: NDArray[np.float64]  # (n,)
    high: NDArray[np.float64]  # (n,)


@dataclass(frozen=True, kw_only=True)
class Law:
    """E(H) = e_inf + a H^-alpha."""

    e_inf: Interval
    a: Interval
    alpha: Interval
    #: The width from which more than half of the error is E_inf, which no width removes: A H^-alpha
    #: = E_inf. None if E_inf is 0; its high end is infinite if E_inf may be 0.
    knee: Interval | None
    #: The share by which twice the widest layer would lower the error.
    gain_of_doubling: Interval
    #: Root mean square of the relative residuals.
    scatter: float
    #: p value of the residuals' bend under the law; None if there are too few widths.
    p_bent: float | None
    #: The fit, and the fits to resampled residuals.
    fits: Sequence["_Fits"] = field(repr=False)

    def at(self, width: float) -> float:
        """Return the law's error for a width."""
        return float(self.e_inf.estimate + self.a.estimate * width**-self.alpha.estimate)

    def gain(self, width: float) -> Interval:
        """Return the share by which twice the width would lower the error."""
        fitted, *again = (of.gain(width) for of in self.fits)
        return _interval(fitted, again)


@dataclass(frozen=True, kw_only=True)
class WidthLaw:
    """What is known about the best errors by width."""

    verdict: WidthVerdict
    #: None with too few widths, or if the errors follow no law.
    law: Law | None
    #: The verdict in a sentence with its numbers.
    because: str

    @property
    def is_open(self) -> bool:
        """Whether the interval of the gain contains the threshold of the verdict."""
        return self.law is not None and (
            self.law.gain_of_doubling.low < PLATEAU <= self.law.gain_of_doubling.high
        )


def width_errors(table: TrialTable, metric: Metric = "test_mse") -> WidthErrors:
    """Collect the errors of the trials that count and were measured, by width."""
    table = _select_measured(table, metric)
    widths, errors = _widths(table), table.metrics[metric]
    keys = widths
    if len(np.unique(widths)) > _MAX_WIDTHS:
        keys = np.array([width_class(int(width)) for width in widths], dtype=np.float64)
    groups = [np.flatnonzero(keys == key) for key in np.unique(keys)]
    best = np.array([rows[np.argmin(errors[rows])] for rows in groups], dtype=np.intp)
    quartiles = np.array([np.quantile(errors[rows], (0.25, 0.5, 0.75)) for rows in groups])
    low, median, high = quartiles.reshape(-1, 3).T
    return WidthErrors(
        widths=widths[best],
        n_trials=np.array([len(rows) for rows in groups], dtype=np.int64),
        numbers=table.numbers[best],
        best=errors[best],
        median=median,
        low=low,
        high=high,
    )


def split_errors(table: TrialTable, setting: str) -> dict[str, WidthErrors]:
    """Return the errors by width for each choice of a setting, in its order; empty for only one."""
    column = table.settings.get(setting)
    if not isinstance(column, Choices):
        return {}
    apart = {str(name): width_errors(table.where(column.is_(name))) for name in column.names}
    shown = {name: errors for name, errors in apart.items() if len(errors.widths)}
    return shown if len(shown) > 1 else {}


def width_law(errors: WidthErrors) -> WidthLaw:
    """Fit the law to the best errors, and predict wider layers."""
    widths, best = errors.widths, errors.best
    n = len(widths)
    if n < _MIN_WIDTHS or widths[-1] < MIN_SPAN * widths[0]:
        because = (
            f"{count(n, 'width')}"
            + (f" from {widths[0]:.0f} to {widths[-1]:.0f}" if n > 1 else "")
            + ", but a law needs "
            + (f"{_MIN_WIDTHS} or more, " if n < _MIN_WIDTHS else "")
            + f"the widest {MIN_SPAN:.0f} times the narrowest"
        )
        return WidthLaw(verdict=WidthVerdict.TOO_FEW, law=None, because=because)
    law = fit_law(widths, best)
    if law.scatter > _MAX_SCATTER:
        because = (
            f"the best errors of {n} widths scatter by {percent(law.scatter)} about the "
            "best-fitting law"
        )
        return WidthLaw(verdict=WidthVerdict.SCATTERED, law=None, because=because)
    if law.p_bent is not None and law.p_bent < _BENT and law.scatter > _EXACT:
        because = (
            f"the best errors of {n} widths deviate systematically from the best-fitting power law "
            f"(p = {number(law.p_bent, 1)})"
        )
        return WidthLaw(verdict=WidthVerdict.BENT, law=None, because=because)
    gain = law.gain_of_doubling
    verdict = WidthVerdict.PLATEAU if gain.estimate < PLATEAU else WidthVerdict.FALLING
    ends = change(gain.low), change(gain.high)
    because = (
        f"twice {widths[-1]:.0f} units would lower the error by {change(gain.estimate)} "
        f"(90 % interval {ends[0]} to {ends[1]})"
    )
    found = WidthLaw(verdict=verdict, law=law, because=because)
    if found.is_open:
        because += f", which leaves the verdict open: its threshold is {change(PLATEAU)}"
    return replace(found, because=because)


def fit_law(
    widths: Sequence[float] | Numbers, errors: Sequence[float] | Numbers, seed: int = 0
) -> Law:
    """Fit the law to errors > 0 at n > 3 widths, ascending."""
    h, e = np.asarray(widths, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    fitted, straight = (_fit(h, e[None, :], _ALPHAS, with_floor=of) for of in (True, False))
    again = [_again(fitted, h, e, seed)]
    if _fits_as_well(straight, fitted, h, e):
        again.append(_again(straight, h, e, seed, with_floor=False))
    return Law(
        e_inf=_interval(fitted.e_inf, [of.e_inf for of in again]),
        a=_interval(fitted.a, [of.a for of in again]),
        alpha=_interval(fitted.alpha, [of.alpha for of in again]),
        knee=_interval(fitted.knee, [of.knee for of in again]) if fitted.e_inf[0] > 0 else None,
        gain_of_doubling=_interval(fitted.gain(h[-1]), [of.gain(h[-1]) for of in again]),
        scatter=float(np.sqrt(np.mean(_residuals(fitted, h, e) ** 2))),
        p_bent=_p_bent(fitted, h, e),
        fits=(fitted, *again),
    )


def _p_bent(fitted: "_Fits", widths: Numbers, errors: Numbers) -> float | None:
    """Return the p value of a bend: an F test of one more power of log H in the residuals.

    For a law without E_inf, a straight line of logs, that is a parabola; E_inf absorbs one bend, so
    for a law with it, the cubic. What the law's own parameters could absorb is projected out.
    """
    x = np.log(widths) - np.log(widths).mean()
    floor = fitted.e_inf[0] / fitted.at(widths)[0]
    # The derivatives of the relative law by A, alpha and, if it is above 0, E_inf span these.
    own = [np.ones_like(x), x * (1 - floor), *([floor] if fitted.e_inf[0] > 0 else [])]
    basis = np.linalg.qr(np.stack(own, axis=1))[0]
    bend, residuals = x ** len(own), _residuals(fitted, widths, errors)
    bend, residuals = (of - basis @ (basis.T @ of) for of in (bend, residuals))
    n_free = len(x) - len(own) - 1
    if n_free < 1:
        return None
    explained = float(bend @ residuals) ** 2 / float(bend @ bend)
    left = max(float(residuals @ residuals) - explained, np.finfo(float).tiny)
    return float(fdtrc(1, n_free, explained / (left / n_free)))


def _residuals(fitted: "_Fits", widths: Numbers, errors: Numbers) -> NDArray[np.float64]:
    """Return the residuals (n,) relative to one law."""
    residuals: NDArray[np.float64] = errors / fitted.at(widths)[0] - 1.0
    return residuals


def _again(
    fitted: "_Fits", widths: Numbers, errors: Numbers, seed: int, *, with_floor: bool = True
) -> "_Fits":
    """Refit the law to bootstrap samples: its own errors with resampled residuals added."""
    n, law = len(widths), fitted.at(widths)[0]
    residuals = _residuals(fitted, widths, errors)
    n_free = n - (3 if with_floor else 2)
    wider = np.sqrt(n / n_free) * stdtrit(n_free, _ENDS[1]) / ndtri(_ENDS[1])
    drawn = np.random.default_rng(seed).integers(n, size=(_N_RESAMPLES, n))
    again = law * (1.0 + wider * (residuals - residuals.mean())[drawn])
    return _fit(widths, np.maximum(again, 0.01 * law), _COARSE_ALPHAS, with_floor=with_floor)


def _fits_as_well(straight: "_Fits", fitted: "_Fits", widths: Numbers, errors: Numbers) -> bool:
    """Return whether the law without E_inf fits as well as the one with it."""
    n_free = len(widths) - 3
    without, with_it = (
        float(np.sum(_residuals(of, widths, errors) ** 2)) for of in (straight, fitted)
    )
    # One-sided, because E_inf is not below 0: the square of Student's quantile.
    limit = float(stdtrit(n_free, _ENDS[1])) ** 2
    return without - with_it <= limit * with_it / n_free


class _Fits(NamedTuple):
    """R laws."""

    e_inf: Numbers  # (R,)
    a: Numbers  # (R,)
    alpha: Numbers  # (R,)

    def at(self, widths: Numbers) -> NDArray[np.float64]:  # (R, n)
        return self.e_inf[:, None] + self.a[:, None] * widths ** -self.alpha[:, None]

    @property
    def knee(self) -> Numbers:  # (R,)
        with np.errstate(divide="ignore", over="ignore"):
            knee: Numbers = (self.a / self.e_inf) ** (1.0 / self.alpha)
        return knee

    def gain(self, width: float) -> Numbers:  # (R,)
        errors = self.at(np.array([width, 2.0 * width]))
        gain: Numbers = 1.0 - errors[:, 1] / errors[:, 0]
        return gain


def _fit(
    widths: Numbers,  # (n,)
    errors: NDArray[np.float64],  # (R, n)
    alphas: Numbers,  # (J,)
    *,
    with_floor: bool = True,
) -> _Fits:
    """Fit each row's law: non-negative least squares of two numbers for every alpha of the grid.

    Without a floor E_inf is 0.
    """
    powers = (widths / widths[0]) ** -alphas[:, None]  # (J, n), from 1 down
    one = 1.0 / errors  # (R, n)
    # Sums over the widths of one**2, one * many and many**2, where many = powers * one: (J, R).
    s11, s12, s22 = (one**2).sum(-1), powers @ (one**2).T, powers**2 @ (one**2).T
    b1, b2 = one.sum(-1), powers @ one.T
    determinant = s11 * s22 - s12**2
    with np.errstate(divide="ignore", invalid="ignore"):
        e_inf = (b1 * s22 - b2 * s12) / determinant
        a = (b2 * s11 - b1 * s12) / determinant
    usable = np.isfinite(e_inf) & np.isfinite(a) & (e_inf >= 0) & (a >= 0) & with_floor
    # If one is below 0, it is set to 0, and the other alone is fitted.
    only_a, only_e = b2 / s22, np.broadcast_to(b1 / s11, b2.shape)
    a_alone_is_better = (b2**2 / s22 >= b1**2 / s11) | (not with_floor)
    e_inf = np.where(usable, e_inf, np.where(a_alone_is_better, 0.0, only_e))
    a = np.where(usable, a, np.where(a_alone_is_better, only_a, 0.0))
    # The sum over the widths of (e_inf * one + a * many - 1) ** 2, less their number.
    losses = e_inf * (e_inf * s11 - 2 * b1) + a * (a * s22 - 2 * b2) + 2 * e_inf * a * s12  # (J, R)
    chosen = losses.argmin(axis=0), np.arange(errors.shape[0])
    alpha = alphas[chosen[0]]
    return _Fits(e_inf[chosen], a[chosen] * widths[0] ** alpha, alpha)


def _interval(estimate: Numbers, resampled: Sequence[Numbers]) -> Interval:
    """Return percentiles of each kind of resamples, widened to include the estimate.

    For infinite values "nearest" is still meaningful.
    """
    ends = [np.quantile(of, _ENDS, method="nearest") for of in resampled]
    value = float(estimate[0])
    low, high = min(float(low) for low, _ in ends), max(float(high) for _, high in ends)
    return Interval(min(low, value), value, max(high, value))


def _select_measured(table: TrialTable, metric: Metric) -> TrialTable:
    errors, widths = table.metrics[metric], _widths(table)
    return table.where(table.counting & (widths > 0) & (errors > 0) & np.isfinite(errors))


def _widths(table: TrialTable) -> Numbers:
    widths = table.column("hidden_width")
    assert not isinstance(widths, Choices)
    return widths
