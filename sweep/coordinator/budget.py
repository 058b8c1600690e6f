"""A study's budgets, as pure functions of its usage and results.

What each budget counts:

trials               trials that ended in any way, including those with a reused value
max_failures         trials that could not be trained; diverged trials do not count
max_seconds          time for which a coordinator held the study, over all resumes and pauses
max_gpu_hours        time from the start of the first worker on a GPU to the end of the last, for
                     each GPU; the CPU does not count
target_value         the best value of a COMPLETE trial that is not marked invalid
plateau_trials,      decrease of the best value over the last ``plateau_trials`` trials, in the
plateau_improvement  order in which they finished; a trial that is not COMPLETE improves nothing
max_trial_seconds    a trial's training time in its present attempt: it stops after the epoch that
                     follows the one that exceeds the limit, unless that is its last

A study also ends when its space has no configuration left to train.

No trial is dispatched once a budget is used up. With target_value and plateau_trials, running
trials are trained to their end; with max_seconds, max_gpu_hours and max_failures they stop at the
end of their epoch, and wait.
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
    #: Number of configurations in the space, once all are trained; None until then.
    n_trained_out: int | None = None
    wall_seconds: float = 0.0
    gpu_seconds: float = 0.0
    best_value: float | None = None
    best_number: int | None = None
    #: Decrease of the best value over the last ``plateau_trials`` finished trials; None until that
    #: many have finished after the first value.
    improvement: float | None = None


class BudgetVerdict(NamedTuple):
    """The budget that is used up, and how the study ends."""

    #: The phase that the study ends in.
    phase: StudyPhase
    reason: str
    #: Whether running trials are trained to their end.
    lets_finish: bool


def check_budget(budget: BudgetSection, usage: BudgetUsage) -> BudgetVerdict | None:
    """Return the first budget that is used up, other than the trials; None if there is none."""
    for check in (_failures, _target, _plateau, _space, _time, _gpu_hours):
        if (found := check(budget, usage)) is not None:
            return found
    return None


def _failures(budget: BudgetSection, usage: BudgetUsage) -> BudgetVerdict | None:
    if usage.n_failed <= budget.max_failures:
        return None
    return BudgetVerdict(
        StudyPhase.FAILED,
        f"more than {budget.max_failures:,} trials failed (budget.max_failures)",
        lets_finish=False,
    )


def _space(_budget: BudgetSection, usage: BudgetUsage) -> BudgetVerdict | None:
    if usage.n_trained_out is None:
        return None
    n = usage.n_trained_out
    which = f"all {n:,} configurations of the space are" if n > 1 else "its one configuration is"
    return _finish(f'{which} trained (study.duplicates = "train" trains again)')


def _target(budget: BudgetSection, usage: BudgetUsage) -> BudgetVerdict | None:
    target, best = budget.target_value, usage.best_value
    if target is None or best is None or best > target:
        return None
    reached = f"trial {usage.best_number} has {best:.6g}"
    return _finish(f"target reached: {reached}, budget.target_value is {target:g}")


def _plateau(budget: BudgetSection, usage: BudgetUsage) -> BudgetVerdict | None:
    least, gained = budget.plateau_improvement, usage.improvement
    if least is None or gained is None or gained >= least:
        return None
    lately = f"the last {budget.plateau_trials:,} trials improved the best by {gained:.3g}"
    return _finish(f"plateau: {lately}, less than budget.plateau_improvement {least:g}")


def _time(budget: BudgetSection, usage: BudgetUsage) -> BudgetVerdict | None:
    limit, seconds = budget.max_seconds, usage.wall_seconds
    if limit is None or seconds < limit:
        return None
    ran = f"it has run for {seconds:,.1f} s"
    return _run_out(f"{ran}, budget.max_seconds is {limit:g}")


def _gpu_hours(budget: BudgetSection, usage: BudgetUsage) -> BudgetVerdict | None:
    limit, hours = budget.max_gpu_hours, usage.gpu_seconds / _SECONDS_AN_HOUR
    if limit is None or hours < limit:
        return None
    used = f"it has used {hours:.4g} GPU-hours"
    return _run_out(f"{used}, budget.max_gpu_hours is {limit:g}")


def _finish(reason: str) -> BudgetVerdict:
    return BudgetVerdict(StudyPhase.FINISHED, reason, lets_finish=True)


def _run_out(reason: str) -> BudgetVerdict:
    return BudgetVerdict(StudyPhase.OUT_OF_TIME, reason, lets_finish=False)


class BudgetStatus(NamedTuple):
    """One budget of a study: its limit, and what is left."""

    #: As in the study file, such as ``max_seconds``.
    name: str
    limit: float
    #: None without a value yet, or with too few trials.
    used: float | None
    #: In the unit of the limit, never below 0; for the target, how far the best is above it.
    left: float | None


def list_budgets(
    budget: BudgetSection, n_trials: int | None, usage: BudgetUsage
) -> list[BudgetStatus]:
    """List the budgets of a study in the order of the study file.

    Failures only if there are any.
    """
    found = []
    if n_trials is not None:
        found.append(_count("trials", n_trials, usage.n_finished))
    if usage.n_failed:
        found.append(_count("max_failures", budget.max_failures, usage.n_failed))
    if budget.max_seconds is not None:
        found.append(_count("max_seconds", budget.max_seconds, usage.wall_seconds))
    if budget.max_gpu_hours is not None:
        hours = usage.gpu_seconds / _SECONDS_AN_HOUR
        found.append(_count("max_gpu_hours", budget.max_gpu_hours, hours))
    if budget.target_value is not None:
        best = usage.best_value
        left = None if best is None else max(0.0, best - budget.target_value)
        found.append(BudgetStatus("target_value", budget.target_value, best, left))
    if budget.plateau_improvement is not None:
        found.append(
            BudgetStatus("plateau_improvement", budget.plateau_improvement, usage.improvement, None)
        )
    if budget.max_trial_seconds is not None:
        found.append(BudgetStatus("max_trial_seconds", budget.max_trial_seconds, None, None))
    return found


def _count(name: str, limit: float, used: float) -> BudgetStatus:
    return BudgetStatus(name, limit, used, max(0, limit - used))


class Improvement:
    """Decrease of the best value over the last N finished trials, updated trial by trial."""

    def __init__(self, n: int | None, values: Iterable[float | None] = ()) -> None:
        """``n`` is None without a plateau budget."""
        self._bests: deque[float] | None = None if n is None else deque([inf], maxlen=n + 1)
        for value in values:
            self.add(value)

    def add(self, value: float | None) -> None:
        """Add the next finished trial; None if it has no value to compare."""
        if self._bests is not None:
            self._bests.append(min(self._bests[-1], inf if value is None else value))

    @property
    def latest(self) -> float | None:
        """The decrease; None until N trials have finished after the first value."""
        if self._bests is None or len(self._bests) < (self._bests.maxlen or 0):
            return None
        before, now = self._bests[0], self._bests[-1]
        return None if before == inf else before - now
