"""Optuna's in-memory storage that records what changed since the last write.

It holds the coordinator's study; the writer turns each tick's changes into rows. This is the first
study created in it. Others may be created, as in any Optuna storage; they are not written.
"""

import copy
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

#: The study whose changes are recorded.
_OWN = 0


@dataclass
class Changes:
    """What is in memory but not in the database yet, by trial number."""

    new_trials: set[int] = field(default_factory=set)
    states: set[int] = field(default_factory=set)
    params: dict[int, set[str]] = field(default_factory=dict)
    intermediate: dict[int, set[int]] = field(default_factory=dict)
    #: Trials that start over: their curves so far have to be deleted.
    restarted: set[int] = field(default_factory=set)
    user_attrs: dict[int, set[str]] = field(default_factory=dict)
    system_attrs: dict[int, set[str]] = field(default_factory=dict)
    study_user_attrs: set[str] = field(default_factory=set)
    study_system_attrs: set[str] = field(default_factory=set)
    #: The trials named above as they were when the changes were taken: they may have changed since,
    #: while the database was unavailable.
    trials: dict[int, FrozenTrial] = field(default_factory=dict)

    def changed_trials(self) -> set[int]:
        """Every trial with a recorded change."""
        return self.new_trials.union(
            self.states, self.params, self.intermediate, self.user_attrs, self.system_attrs
        )


class RecordingStorage(InMemoryStorage):
    """Optuna's InMemoryStorage, which also records every write in ``changes``."""

    def __init__(self) -> None:
        super().__init__()
        self._forget()
        self._hidden: frozenset[int] = frozenset()

    def _forget(self) -> None:
        self.changes = Changes()
        #: Number of the study's trials in each state.
        self.n_by_state: Counter[TrialState] = Counter()
        #: Numbers of its trials that wait to be dispatched (again).
        self.waiting: set[int] = set()

    @property
    def n_trials(self) -> int:
        """Return how many trials the study has, whatever their state."""
        return self.n_by_state.total()

    def load(self, trials: Sequence[FrozenTrial]) -> None:
        """Load the trials that the study has in the database, numbered from 0 without gaps.

        The storage owns them from now on. ``create_new_trial`` would copy each of them deeply.
        """
        study = self._studies[_OWN]
        lowest: float | None = None
        for trial in trials:
            self._max_trial_id = trial._trial_id = self._max_trial_id + 1
            self._trial_id_to_study_id_and_number[trial._trial_id] = _OWN, trial.number
            study.trials.append(trial)
            study.param_distribution.update(trial.distributions)
            self._count_state(trial.number, trial.state)
            # Optuna's best trial. Optuna's own comparison of all trials takes long; our studies
            # minimise.
            is_best = lowest is None or (trial.values and trial.values[0] < lowest)
            if trial.state == TrialState.COMPLETE and is_best:
                lowest = trial.values[0]
                self._update_cache(trial._trial_id, _OWN)

    def _count_state(self, number: int, state: TrialState, left: TrialState | None = None) -> None:
        """Count a trial in its present state; ``left`` is its previous state, if any."""
        if left is not None:
            self.n_by_state[left] -= 1
        self.n_by_state[state] += 1
        if state == TrialState.WAITING:
            self.waiting.add(number)
        else:
            self.waiting.discard(number)

    def take_changes(self) -> Changes:
        """Return what changed since the last call."""
        changes, self.changes = self.changes, Changes()
        # Optuna replaces a trial that changes, so a reference is a snapshot.
        if touched := changes.changed_trials():
            trials = self.own_trials()
            changes.trials = {number: trials[number] for number in touched}
        return changes

    def delete_study(self, study_id: int) -> None:
        """Delete a study and forget its changes."""
        super().delete_study(study_id)
        if study_id == _OWN:
            self._forget()

    def _own_number(self, trial_id: int) -> int | None:
        """Return the trial's number if its study is the one that is written."""
        study_id, number = self._trial_id_to_study_id_and_number[trial_id]
        return number if study_id == _OWN else None

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial and record it."""
        trial_id = super().create_new_trial(study_id, template_trial)
        if (number := self._own_number(trial_id)) is not None:
            self.changes.new_trials.add(number)
            self._count_state(number, self.get_trial(trial_id).state)
            if template_trial is not None:
                self._note_contents(number, template_trial)
        return trial_id

    def _note_contents(self, number: int, trial: FrozenTrial) -> None:
        changes = self.changes
        for noted, names in (
            (changes.params, trial.params),
            (changes.user_attrs, trial.user_attrs),
            (changes.system_attrs, trial.system_attrs),
        ):
            if names:
                noted.setdefault(number, set()).update(names)
        if trial.intermediate_values:
            changes.intermediate.setdefault(number, set()).update(trial.intermediate_values)
        changes.states.add(number)

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Set a parameter and record it."""
        super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
        if (number := self._own_number(trial_id)) is not None:
            self.changes.params.setdefault(number, set()).add(param_name)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set state and values and record them."""
        before = self.get_trial(trial_id).state
        changed = super().set_trial_state_values(trial_id, state, values)
        if changed and (number := self._own_number(trial_id)) is not None:
            self._count_state(number, state, before)
            self.changes.states.add(number)
        return changed

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Set an intermediate value and record it."""
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        if (number := self._own_number(trial_id)) is not None:
            self.changes.intermediate.setdefault(number, set()).add(step)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a user attribute and record it."""
        super().set_trial_user_attr(trial_id, key, value)
        if (number := self._own_number(trial_id)) is not None:
            self.changes.user_attrs.setdefault(number, set()).add(key)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a system attribute and record it."""
        super().set_trial_system_attr(trial_id, key, value)
        if (number := self._own_number(trial_id)) is not None:
            self.changes.system_attrs.setdefault(number, set()).add(key)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a user attribute of the study and record it."""
        super().set_study_user_attr(study_id, key, value)
        if study_id == _OWN:
            self.changes.study_user_attrs.add(key)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a system attribute of the study and record it."""
        super().set_study_system_attr(study_id, key, value)
        if study_id == _OWN:
            self.changes.study_system_attrs.add(key)

    def restart_trial(self, number: int) -> None:
        """Reset a running trial to WAITING, with its number and params."""
        trial_id = self.get_trial_id_from_study_id_trial_number(_OWN, number)
        self.set_trial_state_values(trial_id, TrialState.WAITING)
        self.get_trial(trial_id).intermediate_values = {}
        self.changes.intermediate.pop(number, None)
        self.changes.restarted.add(number)

    def hide(self, numbers: frozenset[int]) -> None:
        """Present these trials, once finished, to samplers as failed: their results don't count.

        The trials themselves do not change, and neither does the database.
        """
        self._hidden = numbers

    def own_trials(self) -> list[FrozenTrial]:
        """Return all trials unchanged."""
        return super().get_all_trials(_OWN, deepcopy=False)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """List the study's trials; waiting and finished ones without a search."""
        if study_id != _OWN:
            return super().get_all_trials(study_id, deepcopy, states)
        if states == (TrialState.WAITING,):  # asked at every ask: must not iterate over all trials
            own = self._studies[_OWN].trials
            waiting = [own[number] for number in sorted(self.waiting)]
            return copy.deepcopy(waiting) if deepcopy else waiting
        trials = super().get_all_trials(study_id, deepcopy)
        for number in self._hidden:
            trials[number] = _as_optuna_sees_it(trials[number])
        return [trial for trial in trials if states is None or trial.state in states]


def _as_optuna_sees_it(trial: FrozenTrial) -> FrozenTrial:
    if not trial.state.is_finished():
        return trial
    shown = copy.copy(trial)
    shown.state = TrialState.FAIL
    return shown
