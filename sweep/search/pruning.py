"""Decide when to end a trial early: each rule is a function of the curves only.

A rule compares all trials that have reached a step, running or not, so its decision does not depend
on the order of reports. Optuna's pruners compare with finished trials, or with those that happened
to report earlier; if trials train side by side, that prunes none, or by chance.

Sources: successive halving, Jamieson & Talwalkar, AISTATS 2016; hyperband, Li et al., JMLR 18
(2018), with the bracket sizes as Optuna computes them.
"""

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from sweep.enums import Pruner
from sweep.search.curves import CurvesAtStep
from sweep.studyfile import Categorical, Float, Int, StudyFile


class PruningRule(ABC):
    """Decides which trials end at a step."""

    @abstractmethod
    def decide(self, standing: CurvesAtStep) -> set[int]:
        """Return the numbers of the trials to prune, of those that have reached the step."""


@dataclass(frozen=True, kw_only=True)
class Percentile(PruningRule):
    """Keep the best ``percentile`` % at a step; a trial counts by its best value so far."""

    percentile: float
    #: No pruning until this many trials have reached the step.
    n_startup_trials: int
    #: No pruning in this many first steps, then every ``interval_steps``.
    n_warmup_steps: int
    interval_steps: int

    def decide(self, standing: CurvesAtStep) -> set[int]:
        """Choose the trials to prune at a step."""
        after = standing.step - self.n_warmup_steps - 1
        n = len(standing.numbers)
        if after < 0 or after % self.interval_steps or n < max(1, self.n_startup_trials):
            return set()
        n_kept = max(1, math.ceil(n * self.percentile / 100))
        return _beyond(standing, standing.best, _nth(standing.values, n_kept))


@dataclass(frozen=True, kw_only=True)
class SuccessiveHalving(PruningRule):
    """Keep one in ``reduction_factor`` at steps ``min_resource * reduction_factor ** k``."""

    min_resource: int
    reduction_factor: int

    def decide(self, standing: CurvesAtStep) -> set[int]:
        """Choose the trials to prune at a rung."""
        n = len(standing.numbers)
        if not n or not self._is_rung(standing.step):
            return set()
        n_kept = max(1, n // self.reduction_factor)
        return _beyond(standing, standing.values, _nth(standing.values, n_kept))

    def _is_rung(self, step: int) -> bool:
        rung = self.min_resource
        while rung < step:
            rung *= self.reduction_factor
        return rung == step


@dataclass(frozen=True, kw_only=True)
class Hyperband(PruningRule):
    """Successive halving in brackets that begin to prune at increasingly later steps.

    A trial's bracket is a function of the study's name and its number, so it needs no record, and a
    trial competes only within its bracket.
    """

    study_name: str
    min_resource: int
    max_resource: int
    reduction_factor: int

    def decide(self, standing: CurvesAtStep) -> set[int]:
        """Choose the trials to prune in each bracket."""
        brackets = np.array([self.bracket(number) for number in standing.numbers.tolist()])
        pruned: set[int] = set()
        for bracket in set(brackets.tolist()):
            own = brackets == bracket
            members = CurvesAtStep(standing.step, *(column[own] for column in standing[1:]))
            pruned |= self._make_halving(bracket).decide(members)
        return pruned

    def bracket(self, number: int) -> int:
        """Return the bracket of a trial; bracket 0 prunes first."""
        place = _checksum(self.study_name, number) % sum(self._sizes)
        for bracket, size in enumerate(self._sizes):
            place -= size
            if place < 0:
                return bracket
        raise AssertionError("the place is below the sum of the sizes")

    @property
    def n_brackets(self) -> int:
        """Return the number of rungs up to ``max_resource``, at least one."""
        n, rung = 1, self.min_resource * self.reduction_factor
        while rung <= self.max_resource:
            n, rung = n + 1, rung * self.reduction_factor
        return n

    @cached_property
    def _sizes(self) -> list[int]:
        n = self.n_brackets
        later = range(n - 1, -1, -1)  # brackets with a later first rung get fewer trials
        return [math.ceil(n * self.reduction_factor**s / (s + 1)) for s in later]

    def _make_halving(self, bracket: int) -> SuccessiveHalving:
        first = self.min_resource * self.reduction_factor**bracket
        return SuccessiveHalving(min_resource=first, reduction_factor=self.reduction_factor)


def make_pruner(study_file: StudyFile) -> PruningRule | None:
    """Build the study's pruning rule; None if it has none."""
    make = PRUNERS[study_file.pruner.name]
    return make(study_file) if make else None


def most_epochs(study_file: StudyFile) -> int:
    """Return the largest number of epochs that a trial of the study may train."""
    longest = 1
    for epochs in study_file.space.possible("epochs"):
        high = epochs.high if isinstance(epochs, Float | Int) else epochs
        assert not isinstance(high, str | Categorical)
        longest = max(longest, int(high))
    return longest


@cache
def _checksum(study_name: str, number: int) -> int:
    return zlib.crc32(f"{study_name}_{number}".encode())


def _nth(values: NDArray[np.float64], n: int) -> float:
    """Return the n-th lowest value, from 1."""
    return float(np.partition(values, n - 1)[n - 1])


def _beyond(standing: CurvesAtStep, values: NDArray[np.float64], bar: float) -> set[int]:
    """Return the trials beyond the threshold. Ties stay: a choice among them would be arbitrary."""
    return set(standing.numbers[(values > bar) | (values == math.inf)].tolist())


def _median(study_file: StudyFile) -> PruningRule:
    options = study_file.pruner.options()
    return Percentile(percentile=50.0, **_whole(options, options))


def _percentile(study_file: StudyFile) -> PruningRule:
    options = study_file.pruner.options()
    steps = ("n_startup_trials", "n_warmup_steps", "interval_steps")
    return Percentile(percentile=float(options["percentile"] or 0), **_whole(options, steps))


def _successive_halving(study_file: StudyFile) -> PruningRule:
    options = study_file.pruner.options()
    return SuccessiveHalving(**_whole(options, options))


def _hyperband(study_file: StudyFile) -> PruningRule:
    options = study_file.pruner.options()
    return Hyperband(
        study_name=study_file.study.name,
        max_resource=most_epochs(study_file),
        **_whole(options, options),
    )


def _whole(options: Mapping[str, object], names: Collection[str]) -> dict[str, int]:
    return {name: value for name in names if isinstance(value := options[name], int)}


PRUNERS: Mapping[Pruner, Callable[[StudyFile], PruningRule] | None] = {
    Pruner.NONE: None,
    Pruner.MEDIAN: _median,
    Pruner.PERCENTILE: _percentile,
    Pruner.SUCCESSIVE_HALVING: _successive_halving,
    Pruner.HYPERBAND: _hyperband,
}
