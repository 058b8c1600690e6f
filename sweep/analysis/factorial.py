"""What each of a few causes makes of the difference between two configurations' errors.

A full factorial design (Box, Hunter and Hunter, 2005, *Statistics for Experimenters*, chapter 5):
every combination of k causes, each as the baseline or as the target has it, is trained with the
same seeds. A step of an ablation path (Fawcett and Hoos, 2016, J. Heuristics 22) depends on what
was changed before it; the Shapley value (Shapley, 1953, "A value for n-person games") is its mean
over all k! orders.

Notation: N the causes, A a subset of them; e_s(A) the validation error by seed s with A as the
target has them and the others as the baseline has them; v_s(A) = ln e_s(∅) - ln e_s(A). By seed,

    alone       v(i)
    taken back  v(N) - v(N∖i)
    Shapley     Σ over A without i of |A|! (k - |A| - 1)! / k! (v(A∪i) - v(A))
    interaction of i and j: the mean over A without both of v(A∪ij) - v(A∪i) - v(A∪j) + v(A)

The Shapley values add up to v(N). Each is given as a factor, exp of its mean over the seeds, with
Student's t of its values by seed, which are paired as the seeds are the same everywhere.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.explanation import (
    COVERAGE,
    LEAST_ERROR,
    ChangeEffect,
    Errors,
    ParameterGroup,
    effect,
    effect_of_logs,
    geometric_mean,
    in_use,
    is_finite,
    is_valid,
    parameter_groups,
    share,
)
from sweep.catalogue.settings import CAUSES
from sweep.config import TrialConfig
from sweep.errors import UsageError

#: The most causes: every combination of five is 32 configurations.
MAX_CAUSES = 5

#: (S,) by seed.
Logs = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FactorialCell:
    """One combination: some causes as the target has them, the others as the baseline has them."""

    #: Names of those that are as in the target.
    causes: tuple[str, ...]
    config: TrialConfig
    #: By seed; None where it has not been trained, infinite where it diverged.
    errors: tuple[float, ...] | None

    @property
    def error(self) -> float | None:
        """Geometric mean over the seeds."""
        return None if self.errors is None else geometric_mean(self.errors)

    @property
    def is_measured(self) -> bool:
        """Whether it has an error with every seed."""
        return self.errors is not None and is_finite(self.errors)


@dataclass(frozen=True, kw_only=True)
class CauseEffect:
    """What one cause makes, as how many times smaller the error is with it; None if unknown."""

    cause: ParameterGroup
    #: It alone is as in the target.
    alone: ChangeEffect | None
    #: It alone is as in the baseline.
    taken_back: ChangeEffect | None
    #: Mean over all orders in which the causes can be changed; needs every cell.
    shapley: ChangeEffect | None


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """How much the effect of one cause depends on another, on average over the other causes."""

    #: The cause whose effect it is, and the one that it depends on.
    of: ParameterGroup
    on: ParameterGroup
    #: Its effect where the other is as in the baseline, and where it is as in the target.
    without: ChangeEffect
    with_it: ChangeEffect
    #: The latter over the former. The interval holds for all pairs of causes together
    #: (Bonferroni), since the strongest of them is shown.
    ratio: ChangeEffect


@dataclass(frozen=True, kw_only=True)
class Factorial:
    """Every combination of the causes between two configurations, as far as trained."""

    baseline: TrialConfig
    target: TrialConfig
    causes: tuple[ParameterGroup, ...]
    #: 2^k in Yates's order, from the baseline to the target; the first cause changes fastest.
    cells: tuple[FactorialCell, ...]

    @property
    def missing(self) -> tuple[TrialConfig, ...]:
        """What is still to be trained."""
        return tuple(cell.config for cell in self.cells if cell.errors is None)

    @property
    def diverged(self) -> tuple[FactorialCell, ...]:
        """The combinations of which a seed diverged."""
        return tuple(cell for cell in self.cells if cell.errors and not cell.is_measured)

    @property
    def is_whole(self) -> bool:
        """Whether every combination has an error, so that there are Shapley values."""
        return all(cell.is_measured for cell in self.cells)

    @property
    def whole(self) -> ChangeEffect | None:
        """Effect of all causes together; None until both ends have errors to compare."""
        return self._change(0, len(self.cells) - 1)

    def share(self, effect: ChangeEffect) -> float | None:
        """Return an effect's share of the whole, so that Shapley values' add up to 1."""
        return share(effect, self.whole)

    @cached_property
    def effects(self) -> tuple[CauseEffect, ...]:
        """The effects of each cause, in the order of the causes."""
        last = len(self.cells) - 1
        return tuple(
            CauseEffect(
                cause=cause,
                alone=self._change(0, 1 << place),
                taken_back=self._change(last ^ 1 << place, last),
                shapley=_estimate(self._shapley(place)) if self.is_whole else None,
            )
            for place, cause in enumerate(self.causes)
        )

    @cached_property
    def by_size(self) -> tuple[CauseEffect, ...]:
        """The causes by their Shapley values, the largest first; without those, as they are.

        Where all causes together raise the error, the one that raises it most is the largest.
        """
        raises = self.whole is not None and self.whole.estimate < 1
        sign = 1 if raises else -1
        return tuple(
            sorted(self.effects, key=lambda of: sign * (of.shapley.estimate if of.shapley else 0.0))
        )

    @cached_property
    def largest(self) -> tuple[CauseEffect, ...]:
        """The cause with the largest Shapley value and those that do not differ significantly.

        Differences are paired by seed, with one interval for all of them (Bonferroni). Empty
        without every cell; with one seed the largest alone.
        """
        if not self.is_whole:
            return ()
        values = {id(of): self._shapley(place) for place, of in enumerate(self.effects)}
        first, *others = self.by_size
        n_compared = max(1, len(others))
        return first, *(
            of
            for of in others
            if _estimate(values[id(first)] - values[id(of)], n_compared).may_be_chance
        )

    @cached_property
    def interaction(self) -> Interaction | None:
        """The strongest interaction of two causes; None without two, or without every cell."""
        if len(self.causes) < 2 or not self.is_whole:
            return None
        pairs = combinations(range(len(self.causes)), 2)
        found = [self._interaction(one, other) for one, other in pairs]
        return max(found, key=lambda of: abs(math.log(of.ratio.estimate)))

    # --- by the place of a cell: the sum of 2^i over the causes i that are as in the target -------

    def _change(self, before: int, after: int) -> ChangeEffect | None:
        cells = self.cells[before], self.cells[after]
        if not all(cell.is_measured for cell in cells):
            return None
        return effect(*(cell.errors or () for cell in cells))

    @cached_property
    def _value(self) -> NDArray[np.float64]:
        """(2^k, S) the logarithms of how many times smaller each cell's error is."""
        logs = np.log([cell.errors or () for cell in self.cells])
        value: NDArray[np.float64] = logs[0] - logs
        return value

    def _gains(self, place: int) -> Iterator[tuple[int, Logs]]:
        """Yield the gain by a cause in each cell that is without it."""
        for cell in range(len(self.cells)):
            if not cell >> place & 1:
                yield cell, self._value[cell | 1 << place] - self._value[cell]

    def _shapley(self, place: int) -> Logs:
        k = len(self.causes)
        of_orders = [1 / (k * math.comb(k - 1, n)) for n in range(k)]  # n! (k - n - 1)! / k!
        weighted = [of_orders[cell.bit_count()] * gain for cell, gain in self._gains(place)]
        total: Logs = np.sum(weighted, axis=0)
        return total

    def _interaction(self, one: int, other: int) -> Interaction:
        """Return the interaction of two causes, as that one's effect which it changes most."""
        either = self._effect_given(one, other), self._effect_given(other, one)
        return min(either, key=lambda of: min(map(_size, (of.without, of.with_it))))

    def _effect_given(self, of: int, on: int) -> Interaction:
        without, with_it = (
            np.mean([gain for cell, gain in self._gains(of) if cell >> on & 1 == there], axis=0)
            for there in (0, 1)
        )
        return Interaction(
            of=self.causes[of],
            on=self.causes[on],
            without=_estimate(without),
            with_it=_estimate(with_it),
            ratio=_estimate(with_it - without, n_compared=math.comb(len(self.causes), 2)),
        )


def _estimate(logs: Logs, n_compared: int = 1) -> ChangeEffect:
    return effect_of_logs(logs.tolist(), 1 - (1 - COVERAGE) / n_compared)


def _size(effect: ChangeEffect) -> float:
    return abs(math.log(effect.estimate))


def causes_between(baseline: TrialConfig, target: TrialConfig) -> tuple[ParameterGroup, ...]:
    """List the causes in which two configurations differ: parameter groups that belong together."""
    groups = {group.name: group for group in parameter_groups(baseline, target)}
    found = []
    for cause, names in CAUSES.items():
        parts = [groups[name] for name in names if name in groups]
        if parts:
            sides: list[Mapping[str, Any]] = [
                {name: value for side in of for name, value in side.items()}
                for of in zip(*((part.before, part.after) for part in parts), strict=True)
            ]
            found.append(ParameterGroup(name=cause, before=sides[0], after=sides[1]))
    return tuple(found)


def factorial(baseline: TrialConfig, target: TrialConfig, errors: Errors) -> Factorial:
    """Every combination of the causes between two configurations, with the errors that are known.

    UsageError where nothing differs, or where more than MAX_CAUSES do.
    """
    baseline, target = in_use(baseline), in_use(target)
    causes = causes_between(baseline, target)
    check_causes(causes)
    known = {config: tuple(max(e, LEAST_ERROR) for e in of) for config, of in errors.items()}
    cells = []
    for place in range(1 << len(causes)):
        changed = [cause for bit, cause in enumerate(causes) if place >> bit & 1]
        config = _change(baseline, changed)
        names = tuple(cause.name for cause in changed)
        cells.append(FactorialCell(causes=names, config=config, errors=known.get(config)))
    return Factorial(baseline=baseline, target=target, causes=causes, cells=tuple(cells))


def _change(baseline: TrialConfig, causes: Sequence[ParameterGroup]) -> TrialConfig:
    config = replace(baseline, **{k: v for cause in causes for k, v in cause.after.items()})
    assert is_valid(config), "settings that may contradict each other are in one cause"
    return config


def check_causes(causes: Sequence[ParameterGroup]) -> None:
    """Raise UsageError where there are none, or too many to train every combination."""
    if not causes:
        raise UsageError(
            "both configurations have the same settings in use: there is nothing to explain. "
            "Give another trial with --from or --to."
        )
    if len(causes) > MAX_CAUSES:
        named = "; ".join(f"{cause.name} ({cause.text})" for cause in causes)
        raise UsageError(
            f"these ends differ in {len(causes)} causes, and a factorial analysis trains every "
            f"combination of at most {MAX_CAUSES}: {named}. Choose trials that have more in common "
            "with --from and --to; or --path changes one group of settings after another, with "
            "effects that depend on the order."
        )
