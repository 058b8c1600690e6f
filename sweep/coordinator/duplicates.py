"""Find configurations that a study has trained already, so that none is trained twice.

Two trials of a study are duplicates if all their searched settings are equal, including the seed if
the space has one: fixed settings, data and split are equal throughout a study. Their own seeds
differ, since they derive from the trial's number; the first trial's result counts for both. Only
results of a trial that is COMPLETE and not invalid are reused. A duplicate of a running trial waits
for it, and is trained itself if the other ends without a result.
"""

from collections.abc import Collection, Iterable
from functools import cache
from itertools import chain
from typing import NamedTuple

from optuna.trial import FrozenTrial, TrialState

from sweep.coordinator.running_trial import Configuration, RunningTrial, searched_configuration
from sweep.search.grid import countable_size, index_of
from sweep.store.optuna_rows import REUSED_FROM
from sweep.studyfile import Space


class Twin(NamedTuple):
    """A trial with the same configuration."""

    number: int
    #: Whether it has results; otherwise it is in training.
    finished: bool


class DuplicateFinder:
    """The configurations that a study has trained or is training."""

    def __init__(self, space: Space | None = None) -> None:
        """``space`` is None if its configurations need not be counted."""
        self._trained: dict[Configuration, int] = {}
        self._training: dict[Configuration, RunningTrial] = {}
        self._n_configurations = None if space is None else countable_size(space)
        nodes = () if space is None else space.nodes
        # Cached: looked up for all configurations whenever a trial ends.
        self._index_of = cache(lambda configuration: index_of(nodes, dict(configuration)))

    def recount(self, trials: Iterable[FrozenTrial], invalid: frozenset[int]) -> None:
        """Rebuild the trained configurations, after a change of the invalid marks."""
        self._trained.clear()
        for trial in trials:
            if trial.state == TrialState.COMPLETE and trial.number not in invalid:
                self.add_result(trial)

    def add_result(self, trial: FrozenTrial) -> None:
        """Add a COMPLETE trial, unless its own result is reused from another."""
        if REUSED_FROM not in trial.user_attrs:
            self._trained.setdefault(searched_configuration(trial.params), trial.number)

    def find_twin(self, number: int, configuration: Configuration) -> Twin | None:
        """Find a trial with this configuration; one in training records that ``number`` waits."""
        if configuration in self._trained:
            return Twin(self._trained[configuration], finished=True)
        twin = self._training.get(configuration)
        if twin is None:
            return None
        twin.duplicates.append(number)
        return Twin(twin.number, finished=False)

    def begin(self, trial: RunningTrial) -> None:
        """Record that a trial without a twin is in training."""
        self._training[trial.configuration] = trial

    def end(self, trial: RunningTrial) -> list[int]:
        """Remove a trial from those in training; return the trials that waited for it."""
        if self._training.get(trial.configuration) is trial:
            del self._training[trial.configuration]
        waiting, trial.duplicates = trial.duplicates, []
        return waiting

    @property
    def n_trained_out(self) -> int | None:
        """Number of configurations in the space, once all have results; None until then."""
        return self._n_configurations if self._are_all(self._trained) else None

    @property
    def is_space_taken(self) -> bool:
        """Whether every configuration of the space has results or is in training."""
        return self._are_all(self._trained, self._training)

    def _are_all(self, *configurations: Collection[Configuration]) -> bool:
        size = self._n_configurations
        if size is None or sum(map(len, configurations)) < size:
            return False
        # Some may lie outside: trials that plain Optuna added.
        indices = {self._index_of(one) for one in chain(*configurations)}
        return len(indices - {None}) == size
