"""Choose the trials to dispatch: first those that wait, then new ones from the sampler."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import optuna

from sweep.config import TrialConfig
from sweep.coordinator.warm_start import WARM_START, FirstConfiguration
from sweep.errors import UsageError
from sweep.search.configurations import enqueue_params, suggest_config
from sweep.search.samplers import share_fits
from sweep.store.study import OpenStudy
from sweep.studyfile import StudyFile


class Proposal(NamedTuple):
    """The trial that is dispatched next, unless it has a twin."""

    number: int
    config: TrialConfig
    #: Its seed, if the space has one.
    seed: int | None


class TrialSource:
    """Enqueues and proposes the trials of a study, up to its budget."""

    def __init__(
        self,
        study: optuna.Study,
        opened: OpenStudy,
        study_file: StudyFile,
        first: Sequence[FirstConfiguration] = (),
    ) -> None:
        """``first`` are the best configurations of other studies."""
        self._study = study
        self._file = study_file
        self._first = first
        self._storage = opened.storage
        self._writer = opened.writer
        self._largest_population = 1
        #: Target number of trials of the study.
        self.n_trials = opened.n_trials

    @property
    def has_more(self) -> bool:
        """Whether another trial may be dispatched."""
        return self.n_left > 0

    @property
    def n_left(self) -> int:
        """Number of trials that may still be dispatched."""
        return max(0, self.n_trials - self._storage.n_trials) + self.n_waiting

    @property
    def n_waiting(self) -> int:
        """Number of trials that wait to be dispatched, for the first time or again."""
        return len(self._storage.waiting)

    def enqueue_first_configurations(self) -> None:
        """Enqueue the study file's own configurations, then the best of other studies.

        Only in a study without trials.
        """
        if self._storage.n_trials:
            return
        self._set_budget(max(self.n_trials, len(self._file.enqueue) + len(self._first)))
        for configuration in self._file.enqueue:
            self.enqueue(configuration)
        for settings, origin in self._first:
            self.enqueue(settings, {WARM_START: origin})

    def enqueue(
        self, configuration: Mapping[str, Any], attributes: Mapping[str, Any] | None = None
    ) -> int:
        """Enqueue one configuration, and extend a budget that is used up. Returns its number.

        ``attributes`` become Optuna's user attributes of the trial.
        """
        params = enqueue_params(self._file, configuration)
        self._study.enqueue_trial(params, user_attrs=dict(attributes or {}))
        number = self._storage.n_trials - 1
        if number >= self.n_trials:
            self._set_budget(number + 1)
        self._writer.rows.trials[number] = {"attempt": 0}
        return number

    def extend(self, n_trials: int) -> None:
        """Set the target number of trials. Raises UsageError if it is below the present number."""
        if n_trials < (n_there := self._storage.n_trials):
            raise UsageError(
                f"{n_trials} trials: study {self._study.study_name!r} already has {n_there}. "
                f"Give {n_there} or more."
            )
        self._set_budget(n_trials)

    def _set_budget(self, n_trials: int) -> None:
        self.n_trials = n_trials
        self._writer.rows.study["n_trials"] = n_trials

    def share_fits(self, n_trials: int) -> None:
        """Let the sampler fit once for several of ``n_trials`` that train on a device together.

        If there are several devices, the largest number counts.
        """
        self._largest_population = max(self._largest_population, n_trials)
        share_fits(self._study.sampler, self._largest_population)

    def propose(self) -> Proposal:
        """Take the trial that has waited longest, or a new one from the sampler."""
        trial = self._study.ask()
        config, seed = suggest_config(trial, self._file)
        return Proposal(trial.number, config, seed)
