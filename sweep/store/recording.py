"""Optuna's in-memory storage that remembers what changed since the last write.

The coordinator's study lives in it; the writer turns each tick's changes into rows. It holds one
study, so a trial's number is its place in the list.
"""

import copy
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState


@dataclass
class Changes:
    """What is in memory but not in the database yet, by trial id (in memory)."""

    new_trials: set[int] = field(default_factory=set)
    states: set[int] = field(default_factory=set)
    params: dict[int, set[str]] = field(default_factory=dict)
    intermediate: dict[int, set[int]] = field(default_factory=dict)
    #: Trials that begin anew: their curves so far are to be deleted.
    restarted: set[int] = field(default_factory=set)
    user_attrs: dict[int, set[str]] = field(default_factory=dict)
    system_attrs: dict[int, set[str]] = field(default_factory=dict)
    study_user_attrs: set[str] = field(default_factory=set)
    study_system_attrs: set[str] = field(default_factory=set)
    #: The trials named above as they were when the changes were taken: what is written is not
    #: what they may have become while the database was away.
    trials: dict[int, FrozenTrial] = field(default_factory=dict)

    def touched(self) -> set[int]:
        """Every trial that something was noted of."""
        return self.new_trials.union(
            self.states, self.params, self.intermediate, self.user_attrs, self.system_attrs
        )


class RecordingStorage(InMemoryStorage):
    """Optuna's own InMemoryStorage; every write is also noted in ``changes``."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = Changes()
        self._hidden: frozenset[int] = frozenset()

    def take_changes(self) -> Changes:
        """What changed since the last call."""
        changes, self.changes = self.changes, Changes()
        # Optuna replaces a trial that changes, so a reference is a snapshot.
        changes.trials = {trial_id: self.get_trial(trial_id) for trial_id in changes.touched()}
        return changes

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        trial_id = super().create_new_trial(study_id, template_trial)
        self.changes.new_trials.add(trial_id)
        if template_trial is not None:
            self._note_contents(trial_id, template_trial)
        return trial_id

    def _note_contents(self, trial_id: int, trial: FrozenTrial) -> None:
        changes = self.changes
        for noted, names in (
            (changes.params, trial.params),
            (changes.user_attrs, trial.user_attrs),
            (changes.system_attrs, trial.system_attrs),
        ):
            if names:
                noted.setdefault(trial_id, set()).update(names)
        if trial.intermediate_values:
            changes.intermediate.setdefault(trial_id, set()).update(trial.intermediate_values)
        changes.states.add(trial_id)

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
        self.changes.params.setdefault(trial_id, set()).add(param_name)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        changed = super().set_trial_state_values(trial_id, state, values)
        if changed:
            self.changes.states.add(trial_id)
        return changed

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        self.changes.intermediate.setdefault(trial_id, set()).add(step)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        super().set_trial_user_attr(trial_id, key, value)
        self.changes.user_attrs.setdefault(trial_id, set()).add(key)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        super().set_trial_system_attr(trial_id, key, value)
        self.changes.system_attrs.setdefault(trial_id, set()).add(key)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        super().set_study_user_attr(study_id, key, value)
        self.changes.study_user_attrs.add(key)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        super().set_study_system_attr(study_id, key, value)
        self.changes.study_system_attrs.add(key)

    def restart_trial(self, trial_id: int) -> None:
        """Put a running trial back to waiting, under its number and with its params."""
        super().set_trial_state_values(trial_id, TrialState.WAITING)
        self.get_trial(trial_id).intermediate_values = {}
        self._prev_waiting_trial_number[0] = 0  # Optuna looks for waiting trials from here
        self.changes.intermediate.pop(trial_id, None)
        self.changes.states.add(trial_id)
        self.changes.restarted.add(trial_id)

    def hide(self, trial_ids: frozenset[int]) -> None:
        """Show these trials, once they are finished, to samplers as failed: theirs is no result.

        The trials themselves stay as they are, and so does the database.
        """
        self._hidden = trial_ids

    def own_trials(self) -> list[FrozenTrial]:
        """Every trial as it is."""
        return super().get_all_trials(0, deepcopy=False)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        if not self._hidden or states == (TrialState.WAITING,):
            return super().get_all_trials(study_id, deepcopy, states)
        trials = map(self._shown, super().get_all_trials(study_id, deepcopy))
        return [trial for trial in trials if states is None or trial.state in states]

    def _shown(self, trial: FrozenTrial) -> FrozenTrial:
        if trial._trial_id not in self._hidden or not trial.state.is_finished():
            return trial
        shown = copy.copy(trial)
        shown.state = TrialState.FAIL
        return shown
