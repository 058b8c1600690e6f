"""Estimate how each searched setting changes the error, all others held fixed: a response surface.

Notation: K trials, S searched settings, u a setting's position in its range (0 at low, 1 at high,
on the range's own scale), y the log error.

y is regressed on all searched settings at once (Box and Wilson, 1951, *J. R. Stat. Soc. B* 13): a
number by a quadratic in u, a choice by its own level, and the order of the trials by a quadratic.
Looking at each setting separately would be confounded: samplers that learn draw their later trials
close together in *every* setting, including those without effect, and later trials are better for
other reasons. Trials that diverged or were pruned are replaced by Tukey's fence, to which other
outliers are clipped too. Variances are robust to unequal scatter (HC3: MacKinnon and White, 1985,
*J. Econometrics* 29), and p values are corrected after Holm.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, fdtri, stdtr

from sweep.analysis.importances import SearchedSetting, searched_settings
from sweep.analysis.ties import holm
from sweep.enums import Outcome
from sweep.store.records import ChoiceDomain, Domain
from sweep.store.table import Mask, Numbers, TrialTable

Matrix = NDArray[np.float64]

#: Probability that any effect is reported for a study whose settings have none.
LEVEL = 0.05
#: Minimum number of finished trials.
MIN_TRIALS = 40
#: Minimum degrees of freedom for the scatter.
_MIN_FREE = 15
#: A random sample of this size is used if there are more trials.
_MAX_TRIALS = 2_000
#: A setting, or one of its choices, that fewer trials have is omitted.
_MIN_OF_SETTING, _MIN_OF_NAME = 12, 3
#: The best trials that are considered: this share of all, within these limits.
_BEST_SHARE, _MIN_BEST, _MAX_BEST = 0.1, 10, 50
#: Share of the range that is near an end.
_NEAR = 0.4
_PLACES = np.linspace(0.0, 1.0, 11)


class End(NamedTuple):
    """An end of a setting's range, and the effect near it."""

    is_high: bool
    #: d y / d u outward at that end: below 0, the error falls towards it.
    slope: float
    #: One-sided p value of no fall, after Holm over all ends of all settings.
    p: float


@dataclass(frozen=True, kw_only=True)
class SettingEffect:
    """A setting's effect on the error, all others held fixed."""

    searched: SearchedSetting
    #: p value of no effect, after Holm over all settings.
    p: float
    #: Upper bound of the error at the setting's worst value divided by that at its best, at LEVEL
    #: over all settings: in all trials, and in the half with the better values of other settings.
    at_most: float
    #: Uncorrected p value of its interactions with the other settings.
    p_interactions: float
    #: Choices that are worse than the best one, at LEVEL over all choices of all settings.
    worse: tuple[Any, ...] = ()
    #: Ends of a range, or of a list of three numbers or more; else empty.
    ends: tuple[End, ...] = ()

    @property
    def param(self) -> str:
        """Return Optuna's name of the setting."""
        return self.searched.param


@dataclass(frozen=True, kw_only=True)
class Effects:
    """The effects of all searched settings that enough trials have."""

    by_param: Mapping[str, SettingEffect]
    #: Numbers of the trials in the regression: the rows of each ``searched``.
    numbers: NDArray[np.int64]
    #: Numbers of the best trials, lowest error first.
    best: NDArray[np.int64]


def effects(table: TrialTable, domains: Mapping[str, Domain]) -> Effects | None:
    """Estimate the effect of every setting on the first objective; None with too few trials."""
    usable = _usable(table)
    n_finished = int(usable.counting.sum())
    if n_finished < MIN_TRIALS:
        return None
    finished = usable.where(usable.counting)
    n_best = min(_MAX_BEST, max(_MIN_BEST, round(_BEST_SHARE * n_finished)))
    best = finished.numbers[np.argsort(finished.value, kind="stable")[:n_best]]
    fitted = _sample(usable, best)
    surface = _Surface(fitted, [_Block.of(of) for of in searched_settings(fitted, domains)])
    if surface.n_free < _MIN_FREE:
        return None
    by_param = {of.searched.param: surface.effect(of) for of in surface.blocks}
    return Effects(by_param=_correct(by_param), numbers=fitted.numbers, best=best)


def _usable(table: TrialTable) -> TrialTable:
    """Select finished trials with a value, and those that were too bad to finish.

    Trials that reuse a configuration's result have the same value, and count once.
    """
    bad = table.states.is_("PRUNED") | table.outcomes.is_(Outcome.DIVERGED)
    counting = np.flatnonzero(table.counting & (table.value > 0))
    _, first = np.unique(table.value[counting], return_index=True)
    return table.where(np.union1d(counting[first], np.flatnonzero(bad & ~table.invalid)))


def _sample(table: TrialTable, best: NDArray[np.int64]) -> TrialTable:
    """Select at most _MAX_TRIALS and the best; the selection is deterministic."""
    if len(table) <= _MAX_TRIALS:
        return table
    rows = np.random.default_rng(0).permutation(len(table))[:_MAX_TRIALS]
    return table.where(np.union1d(rows, np.flatnonzero(np.isin(table.numbers, best))))


def _response(table: TrialTable) -> Numbers:
    """Return log errors (K,), clipped to Tukey's fence; unfinished trials are at the fence."""
    counting = table.counting
    finished = np.log(table.value[counting])
    low, high = np.quantile(finished, (0.25, 0.75))
    fence = high + 1.5 * (high - low)
    y = np.full(len(table), fence)
    y[counting] = np.minimum(finished, fence)
    return y


# --- one setting's columns --------------------------------------------------------------------


def places(domain: Domain, values: Sequence[object]) -> Numbers | None:
    """Scale values to 0 to 1 in a range or an ascending list of numbers; NaN outside.

    None for unordered values: choices, and fewer than three numbers.
    """
    if isinstance(domain, ChoiceDomain):
        numbers = sorted({of for of in domain.choices if type(of) in (int, float)})  # type: ignore[type-var]
        if len(numbers) < 3 or len(numbers) < len(domain.choices):
            return None
        place = {number: at / (len(numbers) - 1) for at, number in enumerate(numbers)}
        return np.array([place.get(of, np.nan) for of in values])  # type: ignore[call-overload]
    found = np.array(values, dtype=np.float64)
    ends = np.array([domain.low, domain.high])
    if domain.log:
        with np.errstate(invalid="ignore", divide="ignore"):
            found, ends = np.log(found), np.log(ends)
    if ends[1] <= ends[0]:
        return None
    u: Numbers = (found - ends[0]) / (ends[1] - ends[0])
    return u


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """The columns of a setting in the regression; 0 in trials that did not search it."""

    searched: SearchedSetting
    columns: Matrix  # (K, q)
    #: The columns at different values of the setting.
    levels: Matrix  # (L, q)
    #: For numbers; None for choices.
    u: Numbers | None
    #: For choices, one for each row of ``levels``.
    names: tuple[Any, ...] = ()

    @classmethod
    def of(cls, searched: SearchedSetting) -> "_Block":
        u = places(searched.domain, searched.values)
        has = searched.trials
        if u is None:
            names, columns = _columns_of_names(searched)
            q = columns.shape[1]
            levels = np.concatenate([np.zeros((1, q)), np.eye(q)])
            return cls(searched=searched, columns=columns, levels=levels, u=None, names=names)
        # Two distinct values, as for an integer from 1 to 2, determine no bend.
        degree = min(2, len(np.unique(u[has])) - 1)
        columns = np.where(has[:, None], _polynomials(np.where(has, u, 0.0))[:, :degree], 0.0)
        return cls(
            searched=searched, columns=columns, levels=_polynomials(_PLACES)[:, :degree], u=u
        )

    def rows(self, rows: Mask) -> "_Block":
        """Restrict the block to some trials; names that few of them have get no effect."""
        kept = SearchedSetting(
            *self.searched[:3],
            self.searched.trials[rows],
            [of for of, is_kept in zip(self.searched.values, rows, strict=True) if is_kept],
        )
        return _Block.of(kept)

    @property
    def is_tellable(self) -> bool:
        enough = int(self.searched.trials.sum()) >= _MIN_OF_SETTING
        return bool(enough and self.columns.shape[1] and self.columns.any())


def _polynomials(u: Numbers) -> Matrix:
    """Return Legendre polynomials on 0 to 1, (K, 2)."""
    x = 2.0 * u - 1.0
    return np.stack([x, 1.5 * x**2 - 0.5], axis=1)


def _slope_at(is_high: bool, q: int) -> Numbers:
    """Return the outward derivatives (q,) of the polynomials at an end, per u."""
    return np.array([2.0 if is_high else -2.0, 6.0])[:q]


def _columns_of_names(searched: SearchedSetting) -> tuple[tuple[Any, ...], Matrix]:
    """Return indicators of all choices except the most frequent, which comes first and has none."""
    assert isinstance(searched.domain, ChoiceDomain)
    has = searched.trials
    masks = {
        name: np.array([of == name for of in searched.values], dtype=bool) & has
        for name in searched.domain.choices
    }
    known = [name for name, mask in masks.items() if mask.sum() >= _MIN_OF_NAME]
    names = tuple(sorted(known, key=lambda name: -int(masks[name].sum())))
    columns = [masks[name].astype(np.float64) for name in names[1:]]
    return names, np.stack(columns, axis=1) if columns else np.zeros((len(has), 0))


# --- the surface ------------------------------------------------------------------------------


class _Fit:
    """Least squares with HC3 covariances."""

    def __init__(self, x: Matrix, y: Numbers) -> None:
        inverse = np.linalg.pinv(x.T @ x)
        self.b = inverse @ (x.T @ y)
        leverage = ((x @ inverse) * x).sum(axis=1)
        residuals = (y - x @ self.b) / np.maximum(1.0 - leverage, 1e-3)
        weighted = x * residuals[:, None]
        self.covariance = inverse @ (weighted.T @ weighted) @ inverse
        self.n_free = len(y) - _rank(x)

    def p_of_none(self, columns: slice) -> float:
        """Return the p value of all these coefficients being 0 (Wald's test)."""
        b, q = self.b[columns], columns.stop - columns.start
        wald = float(b @ np.linalg.pinv(self.covariance[columns, columns]) @ b) / q
        return float(fdtrc(q, self.n_free, wald))

    def at_most(self, columns: slice, levels: Matrix, level: float) -> float:
        """Return an upper bound of the largest difference between two levels, by Scheffé."""
        b, q = self.b[columns], columns.stop - columns.start
        one, other = np.triu_indices(len(levels), 1)
        contrasts = levels[one] - levels[other]  # (P, q)
        spread = np.sqrt(
            np.einsum("ij,jk,ik->i", contrasts, self.covariance[columns, columns], contrasts)
        )
        radius = np.sqrt(q * fdtri(q, self.n_free, 1.0 - level))
        return float(np.max(np.abs(contrasts @ b) + radius * spread))


class _Part(NamedTuple):
    """A setting in the regression on some of the trials."""

    fit: _Fit
    columns: slice
    levels: Matrix


class _Surface:
    """The regression on all settings."""

    def __init__(self, table: TrialTable, blocks: Sequence[_Block]) -> None:
        self.blocks = _independent([of for of in blocks if of.is_tellable])
        self.y = _response(table)
        order = np.linspace(0.0, 1.0, len(table))
        self.others = np.column_stack([np.ones(len(table)), _polynomials(order)])

    @cached_property
    def fit(self) -> _Fit:
        return _Fit(np.column_stack([self.others, *(of.columns for of in self.blocks)]), self.y)

    @property
    def n_free(self) -> int:
        return self.fit.n_free if self.blocks else 0

    def columns(self, block: _Block) -> slice:
        first = self.others.shape[1]
        for of in self.blocks:
            if of is block:
                return slice(first, first + of.columns.shape[1])
            first += of.columns.shape[1]
        raise ValueError("not a block of this surface")

    def effect(self, block: _Block) -> SettingEffect:
        columns = self.columns(block)
        level = LEVEL / len(self.blocks)
        at_most = max(
            self.fit.at_most(columns, block.levels, level), self._at_most_in_good(block, level)
        )
        return SettingEffect(
            searched=block.searched,
            p=self.fit.p_of_none(columns),
            at_most=float(np.exp(at_most)),
            p_interactions=self._p_interactions(block),
            worse=tuple(self._worse(block, columns, level)),
            ends=tuple(self._ends(block, columns)),
        )

    def _worse(self, block: _Block, columns: slice, level: float) -> Iterator[Any]:
        """Yield the names that are significantly worse than the best one."""
        if not block.names:
            return
        b, covariance = self.fit.b[columns], self.fit.covariance[columns, columns]
        best = int(np.argmin(block.levels @ b))
        for name, levels in zip(block.names, block.levels, strict=True):
            contrast = levels - block.levels[best]
            error = float(np.sqrt(contrast @ covariance @ contrast))
            if error > 0 and stdtr(self.fit.n_free, -contrast @ b / error) < level / len(b):
                yield name

    def _ends(self, block: _Block, columns: slice) -> Iterator[End]:
        if block.u is None:
            return
        q = columns.stop - columns.start
        for is_high in (False, True):
            outward = _slope_at(is_high, q)
            slope = float(outward @ self.fit.b[columns])
            error = float(np.sqrt(outward @ self.fit.covariance[columns, columns] @ outward))
            p = float(stdtr(self.fit.n_free, slope / error)) if error > 0 else 1.0
            is_open = p > LEVEL or self._falls_nearby(block, is_high)
            yield End(is_high, slope, p if is_open else 1.0)

    def _falls_nearby(self, block: _Block, is_high: bool) -> bool:
        """Return whether the trials near an end confirm the fall on their own.

        The quadratic misses other shapes, such as a steep rise just before the end.
        """
        assert block.u is not None
        distance = 1.0 - block.u if is_high else block.u
        part = self._part(block, block.searched.trials & (distance <= _NEAR))
        if part is None:
            return True
        b = part.fit.b[part.columns]
        return bool(_slope_at(is_high, len(b)) @ b < 0)

    def _at_most_in_good(self, block: _Block, level: float) -> float:
        """Apply ``at_most`` to the trials with the better half of the other settings.

        An effect that is hidden by the errors of other settings appears there. Infinite if too few
        trials are left.
        """
        x = np.column_stack(
            [self.others[:, :1], *(of.columns for of in self.blocks if of is not block)]
        )
        predicted = x @ (np.linalg.pinv(x.T @ x) @ (x.T @ self.y))
        part = self._part(block, predicted <= np.median(predicted))
        return np.inf if part is None else part.fit.at_most(part.columns, part.levels, level)

    def _part(self, block: _Block, rows: Mask) -> "_Part | None":
        """Fit the regression to some of the trials; None if they are too few."""
        blocks = [of.rows(rows) for of in self.blocks]
        mine = blocks[self.blocks.index(block)]
        if not mine.is_tellable:
            return None
        told = _independent([mine, *(of for of in blocks if of.is_tellable and of is not mine)])
        first = self.others.shape[1]
        fit = _Fit(np.column_stack([self.others[rows], *(of.columns for of in told)]), self.y[rows])
        if fit.n_free < _MIN_FREE:
            return None
        return _Part(fit, slice(first, first + mine.columns.shape[1]), mine.levels)

    def _p_interactions(self, block: _Block) -> float:
        """Return the p value of no interaction with any other setting (column products).

        0 if unknown.
        """
        products = [
            (block.columns[:, :, None] * of.columns[:, None, :]).reshape(len(self.y), -1)
            for of in self.blocks
            if of is not block
        ]
        added = np.column_stack([np.zeros((len(self.y), 0)), *products])
        added = added[:, np.abs(added).sum(axis=0) > 0]
        whole = np.column_stack([self.others, *(of.columns for of in self.blocks)])
        if added.shape[1] == 0:
            return 1.0
        fit = _Fit(np.column_stack([whole, added]), self.y)
        if fit.n_free < _MIN_FREE:
            return 0.0
        return fit.p_of_none(slice(whole.shape[1], whole.shape[1] + added.shape[1]))


def _rank(x: Matrix) -> int:
    """Return the rank of few long columns from their products: in a hundredth of an SVD's time."""
    lengths = np.sqrt((x**2).sum(axis=0))
    scaled = x / np.where(lengths > 0, lengths, 1.0)
    return int(np.linalg.matrix_rank(scaled.T @ scaled, tol=1e-10, hermitian=True))


def _independent(blocks: Sequence[_Block]) -> list[_Block]:
    """Select the blocks whose columns are independent of the preceding ones."""
    kept: list[_Block] = []
    x = np.ones((len(blocks[0].columns), 1)) if blocks else np.zeros((0, 1))
    for block in blocks:
        wider = np.column_stack([x, block.columns])
        if _rank(wider) == wider.shape[1]:
            kept.append(block)
            x = wider
    return kept


# --- correction for many settings -------------------------------------------------------------


def _correct(by_param: Mapping[str, SettingEffect]) -> dict[str, SettingEffect]:
    p = holm([of.p for of in by_param.values()])
    of_ends = iter(holm([end.p for of in by_param.values() for end in of.ends]))
    return {
        param: replace(
            of, p=corrected, ends=tuple(end._replace(p=next(of_ends)) for end in of.ends)
        )
        for (param, of), corrected in zip(by_param.items(), p, strict=True)
    }
