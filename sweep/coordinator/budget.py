"""When a study is done: its budgets, as functions of its usage and results.

Nothing here knows of processes or of the database. What each budget counts:

trials               trials that finished, however they ended; those whose value was reused too
max_failures         trials that could not be trained; diverged ones could
max_seconds          time for which a coordinator held the study, over all resumes; a pause counts
max_gpu_hours        time from the start of a worker on a GPU to its end, once a GPU; a CPU has none
target_value         the best value of a COMPLETE trial that is not marked invalid
plateau_trials,      by how much the best value fell in the last so many finished trials, in the
plateau_improvement  order in which they finished; one that is not COMPLETE improves nothing
max_trial_seconds    a trial's train_seconds so far, in its present attempt: it leaves after the
                     epoch that follows the one that exceeds it, unless that is its last

A study whose space has no configuration left to train is done, too, whatever its budgets.

No trial is handed out once a budget is used up. With target_value and plateau_trials, trials that
were handed out before go on to their end; with max_seconds, max_gpu_hours and max_failures they
leave at the end of their epoch, and wait.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from sweep.enums import StudyPhase
from sweep.studyfile.sections import BudgetSection

_SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class BudgetUsage:
    """Usage and results of a study so far."""

    n_finished: int = 0
    n_failed: int = 0
    #: Configurations that the space has, all of them trained; None while there are others.
    trained_out: int | None = None
    wall_seconds: float = 0.0
    gpu_seconds: float = 0.0
    best_value: float | None = None
    best_number: int | None = None
    #: How much the best value fell in the last ``plateau_trials`` finished trials; None while
    #: there are not so many after the first value.
    improvement: float | None = None


class BudgetVerdict(NamedTuple):
    """A budget is used up."""

    #: The phase that the study ends in.
    phase: StudyPhase
    reason: str
    #: Whether trials in training go on to their end.
    lets_finish: bool


def verdict(budget: BudgetSection, spent: BudgetUsage) -> BudgetVerdict | None:
    """Whether a budget other than the trials is used up; the first, where several are."""
    for judge in (_failures, _target, _plateau, _space, _time, _gpu_hours):
        if (found := judge(budget, spent)) is not None:
            return found
    return None


def _failures(budget: BudgetSection, spent: BudgetUsage) -> BudgetVerdict | None:
    if spent.n_failed <= budget.max_failures:
        return None
    return BudgetVerdict(
        StudyPhase.FAILED,
        f"more than {budget.max_failures:,} trials failed (budget.max_failures)",
        lets_finish=False,
    )


def _space(_budget: BudgetSection, spent: BudgetUsage) -> BudgetVerdict | None:
    if spent.trained_out is None:
        return None
    n = spent.trained_out
    which = f"all {n:,} configurations of the space are" if n > 1 else "its one configuration is"
    return _finished(f'{which} trained (study.duplicates = "train" trains again)')


def _target(budget: BudgetSection, spent: BudgetUsage) -> BudgetVerdict | None:
    target, best = budget.target_value, spent.best_value
    if target is None or best is None or best > target:
        return None
    reached = f"trial {spent.best_number} has {best:.6g}"
    return _finished(f"target reached: {reached}, budget.target_value is {target:g}")


def _plateau(budget: BudgetSection, spent: BudgetUsage) -> BudgetVerdict | None:
    least, gained = budget.plateau_improvement, spent.improvement
    if least is None or gained is None or gained >= least:
        return None
    lately = f"the last {budget.plateau_trials:,} trials improved the best by {gained:.3g}"
    return _finished(f"plateau: {lately}, less than budget.plateau_improvement {least:g}")


def _time(budget: BudgetSection, spent: BudgetUsage) -> BudgetVerdict | None:
    limit, seconds = budget.max_seconds, spent.wall_seconds
    if limit is None or seconds < limit:
        return None
    ran = f"it has run for {seconds:,.1f} s"
    return _out_of_time(f"{ran}, budget.max_seconds is {limit:g}")


def _gpu_hours(budget: BudgetSection, spent: BudgetUsage) -> BudgetVerdict | None:
    limit, hours = budget.max_gpu_hours, spent.gpu_seconds / _SECONDS_AN_HOUR
    if limit is None or hours < limit:
        return None
    used = f"it has used {hours:.4g} GPU-hours"
    return _out_of_time(f"{used}, budget.max_gpu_hours is {limit:g}")


def _finished(reason: str) -> BudgetVerdict:
    return BudgetVerdict(StudyPhase.FINISHED, reason, lets_finish=True)


def _out_of_time(reason: str) -> BudgetVerdict:
    return BudgetVerdict(StudyPhase.OUT_OF_TIME, reason, lets_finish=False)


class Part(NamedTuple):
    """One budget of a study: what it allows, and what is left of it."""

    #: As in the study file: ``max_seconds``.
    name: str
    limit: float
    #: None where nothing is counted so far (no value yet, too few trials).
    used: float | None
    #: In the unit of the limit, never below 0; of the target, how far the best is above it.
    left: float | None


def parts(budget: BudgetSection, n_trials: int | None, spent: BudgetUsage) -> list[Part]:
    """Every budget that a study has, in the order of the study file; failures once there are."""
    found = []
    if n_trials is not None:
        found.append(_counted("trials", n_trials, spent.n_finished))
    if spent.n_failed:
        found.append(_counted("max_failures", budget.max_failures, spent.n_failed))
    if budget.max_seconds is not None:
        found.append(_counted("max_seconds", budget.max_seconds, spent.wall_seconds))
    if budget.max_gpu_hours is not None:
        hours = spent.gpu_seconds / _SECONDS_AN_HOUR
        found.append(_counted("max_gpu_hours", budget.max_gpu_hours, hours))
    if budget.target_value is not None:
        best = spent.best_value
        left = None if best is None else max(0.0, best - budget.target_value)
        found.append(Part("target_value", budget.target_value, best, left))
    if budget.plateau_improvement is not None:
        found.append(
            Part("plateau_improvement", budget.plateau_improvement, spent.improvement, None)
        )
    if budget.max_trial_seconds is not None:
        found.append(Part("max_trial_seconds", budget.max_trial_seconds, None, None))
    return found


def _counted(name: str, limit: float, used: float) -> Part:
    return Part(name, limit, used, max(0, limit - used))


class Improvement:
    """By how much the best value fell in the last N finished trials, kept up trial by trial."""

    def __init__(self, n: int | None, values: Iterable[float | None] = ()) -> None:
        """``n`` is None without such a budget: then nothing is kept."""
        self._bests: deque[float] | None = None if n is None else deque([inf], maxlen=n + 1)
        for value in values:
            self.add(value)

    def add(self, value: float | None) -> None:
        """The next trial has finished; None where it has no value to compare."""
        if self._bests is not None:
            self._bests.append(min(self._bests[-1], inf if value is None else value))

    @property
    def latest(self) -> float | None:
        """None while fewer than N trials finished after the first value."""
        if self._bests is None or len(self._bests) < (self._bests.maxlen or 0):
            return None
        before, now = self._bests[0], self._bests[-1]
        return None if before == inf else before - now
