"""The coordinator's storage is a storage of Optuna's like any other, and counts what changes."""

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import TrialState, create_trial

from sweep.store.recording import RecordingStorage


def study_in(storage: RecordingStorage) -> optuna.Study:
    storage.create_new_study([StudyDirection.MINIMIZE], "x")
    return optuna.load_study(study_name="x", storage=storage)


def test_counts_follow_the_states_of_trials() -> None:
    storage = RecordingStorage()
    study = study_in(storage)
    study.enqueue_trial({"a": 1})
    asked = [study.ask() for _ in range(3)]
    study.tell(asked[0], 1.0)
    study.tell(asked[1], state=TrialState.FAIL)
    assert +storage.n_by_state == {
        TrialState.COMPLETE: 1,
        TrialState.FAIL: 1,
        TrialState.RUNNING: 1,
    }
    assert storage.n_trials == 3


def test_a_restarted_trial_waits_and_is_asked_for_next_without_its_curve() -> None:
    storage = RecordingStorage()
    study = study_in(storage)
    first, _ = study.ask(), study.ask()
    storage.set_trial_intermediate_value(first.number, 1, 0.5)
    storage.restart_trial(first.number)
    assert storage.waiting == {first.number}
    assert study.ask().number == first.number
    assert not storage.waiting
    assert storage.get_trial(first.number).intermediate_values == {}


def test_loaded_trials_are_counted_and_the_next_one_follows_them() -> None:
    storage = RecordingStorage()
    study = study_in(storage)
    trials = [create_trial(value=float(number)) for number in (3, 1, 2)]
    for number, trial in enumerate(trials):
        trial.number = number
    storage.load(0, trials)
    assert (storage.n_trials, study.best_trial.number, study.ask().number) == (3, 1, 3)
    assert storage.changes.new_trials == {3}  # what was loaded is not written again


def test_samplers_see_an_invalid_trial_as_failed_and_its_own_state_stays() -> None:
    storage = RecordingStorage()
    study = study_in(storage)
    study.tell(study.ask(), 1.0)
    storage.hide(frozenset([0]))
    assert [trial.state for trial in study.trials] == [TrialState.FAIL]
    assert [trial.state for trial in storage.own_trials()] == [TrialState.COMPLETE]


class TestRecordingStorage(StorageTestCase):
    """Optuna's own suite for storages, whole."""

    @pytest.fixture
    def storage(self) -> BaseStorage:
        return RecordingStorage()
