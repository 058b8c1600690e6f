"""Track the best result of a study so far, and of each width class."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from sweep.config import width_class
from sweep.coordinator.budget import Improvement
from sweep.search.configurations import width_reader
from sweep.studyfile import StudyFile


class BestResults:
    """The lowest validation errors of COMPLETE trials that are not marked invalid."""

    def __init__(self, study_file: StudyFile) -> None:
        self._width_of = width_reader(study_file)
        self._plateau_trials = study_file.budget.plateau_trials
        self._forget(frozenset())

    def _forget(self, invalid: frozenset[int]) -> None:
        self.invalid = invalid
        self.number: int | None = None
        self.value: float | None = None
        self._lowest_of_width: dict[int, float] = {}  # by width class
        #: Decrease of the best value, for a plateau.
        self.improvement = Improvement(self._plateau_trials)

    def recount(self, trials: Sequence[FrozenTrial], invalid: frozenset[int]) -> None:
        """Start over with these trials, after a change of the invalid marks."""
        self._forget(invalid)
        for trial in trials:
            self._consider(trial)
        if self._plateau_trials is not None:
            values = map(self._value, _by_completion(trials))
            self.improvement = Improvement(self._plateau_trials, values)

    def add(self, trial: FrozenTrial) -> None:
        """Take a trial into account that has just finished."""
        self._consider(trial)
        self.improvement.add(self._value(trial))

    def lowest_error(self, hidden_width: int) -> float:
        """Return the lowest validation error of this width's class; infinite if it has none."""
        return self._lowest_of_width.get(width_class(hidden_width), math.inf)

    def _consider(self, trial: FrozenTrial) -> None:
        value = self._value(trial)
        if value is None:
            return
        if self.value is None or value < self.value:
            self.number, self.value = trial.number, value
        try:
            width = width_class(self._width_of(trial.params))
        except KeyError:  # a trial that plain Optuna added, without our settings
            return
        self._lowest_of_width[width] = min(self._lowest_of_width.get(width, math.inf), value)

    def _value(self, trial: FrozenTrial) -> float | None:
        """Return the trial's validation error, the first objective of every study."""
        if trial.state != TrialState.COMPLETE or trial.number in self.invalid:
            return None
        return trial.values[0] if math.isfinite(trial.values[0]) else None


def _by_completion(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Finished trials in the order in which they finished."""
    finished = [trial for trial in trials if trial.state.is_finished()]
    return sorted(finished, key=lambda t: (t.datetime_complete or datetime.min, t.number))
