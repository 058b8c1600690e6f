"""Keep a study's trials as columns, updated between asks.

Optuna's own sampler iterates over all trials at every ask, and over their parameters; a finished
trial does not change, so here each is read once.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers._tpe.sampler import _split_trials
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

Floats = NDArray[np.float64]
#: Rows of trials, ascending.
Rows = NDArray[np.intp]

_SHOWN = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


class TrialHistory:
    """The parameters and results of trials, one row each.

    ``older`` are n trials of other studies, numbered from -n to -1: they have the first n rows, and
    trial 0 of the study has row n.
    """

    def __init__(
        self, distributions: dict[str, BaseDistribution], older: Sequence[FrozenTrial] = ()
    ) -> None:
        self._older = tuple(older)
        self._distributions = distributions
        self._columns = {name: column for column, name in enumerate(distributions)}
        self._trials: Sequence[FrozenTrial] = ()
        self._states = np.empty(0, np.int8)
        #: Optuna's internal values, NaN if a trial lacks the parameter.
        self._params: Floats = np.empty((0, len(distributions)))
        #: Sort keys of finished trials: first the step (negative for pruned ones: a later step is
        #: better), then the value.
        self._steps: Floats = np.empty(0)
        self._values: Floats = np.empty(0)

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Read all of a study's trials that have changed."""
        if self._older:
            trials = [*self._older, *trials]
        n = len(trials)
        states = np.fromiter((trial.state for trial in trials), np.int8, n)
        self._make_room(n)
        changed = (states != self._states[:n]) | (states == TrialState.RUNNING)
        self._states[:n] = states
        self._trials = trials
        for row in np.flatnonzero(changed).tolist():
            if trials[row].state in _SHOWN:
                self._read(row, trials[row])

    def n_finished(self) -> int:
        """Count the trials to learn from: complete or pruned."""
        return int(np.count_nonzero(self._is_finished()))

    def split(self, study: Study, n_below: int, asking: int) -> tuple[Rows, Rows]:
        """Split the trials into the best, at most ``n_below``, and the others and running ones.

        This is how Optuna splits trials without constraints, which no study file has: complete
        trials by their value, then pruned ones by their last step and value at it. The trial
        numbered ``asking`` is in neither.
        """
        if study.directions != [StudyDirection.MINIMIZE]:
            return self._split_by_optuna(study, n_below, asking)
        finished = np.flatnonzero(self._is_finished())
        pruned = self._state(finished) == TrialState.PRUNED
        # Stable, as Optuna's sort is: of equal trials the earlier comes first.
        order = np.lexsort((self._values[finished], self._steps[finished], pruned))
        best = finished[order[:n_below]]
        running = np.flatnonzero(self._state() == TrialState.RUNNING)
        others = np.concatenate(
            [finished[order[n_below:]], running[running != asking + len(self._older)]]
        )
        return np.sort(best), np.sort(others)

    def observations(self, rows: Rows, names: Sequence[str]) -> Floats:
        """Return the parameters of those trials that have all of them. Shape (trials, names)."""
        columns = np.array([self._columns[name] for name in names], np.intp)
        found = self._params[np.ix_(rows, columns)]
        return found[~np.isnan(found).any(axis=1)]

    def _split_by_optuna(self, study: Study, n_below: int, asking: int) -> tuple[Rows, Rows]:
        shown = [t for t in self._trials if t.state in _SHOWN and t.number != asking]
        below, above = _split_trials(study, shown, n_below)
        return self._rows(below), self._rows(above)

    def _rows(self, trials: list[FrozenTrial]) -> Rows:
        return np.array([trial.number for trial in trials], np.intp) + len(self._older)

    def _state(self, rows: Rows | slice = slice(None)) -> NDArray[np.int8]:
        return self._states[: len(self._trials)][rows]

    def _is_finished(self) -> NDArray[np.bool_]:
        return np.isin(self._state(), (TrialState.COMPLETE, TrialState.PRUNED))

    def _make_room(self, n: int) -> None:
        more = n - len(self._states)
        if more > 0:
            more = max(more, len(self._states))  # doubling: each row is moved about once
            self._states = np.append(self._states, np.full(more, -1, np.int8))
            self._params = np.pad(self._params, ((0, more), (0, 0)), constant_values=np.nan)
            self._steps = np.pad(self._steps, (0, more))
            self._values = np.pad(self._values, (0, more))

    def _read(self, row: int, trial: FrozenTrial) -> None:
        params = trial.params
        self._params[row] = [
            distribution.to_internal_repr(params[name]) if name in params else math.nan
            for name, distribution in self._distributions.items()
        ]
        if trial.state == TrialState.COMPLETE:
            self._steps[row], self._values[row] = 0, trial.values[0]
        elif trial.state == TrialState.PRUNED:
            self._steps[row], self._values[row] = _pruned_score(trial)


def _pruned_score(trial: FrozenTrial) -> tuple[float, float]:
    if not trial.intermediate_values:
        return 1, 0.0
    step, value = max(trial.intermediate_values.items())
    return -step, math.inf if math.isnan(value) else value
