"""The coordinator's storage: one of Optuna's like any other, that tells what changed."""

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import TrialState, create_trial

from sweep.store.recording import Changes, RecordingStorage


class TestRecordingStorage(StorageTestCase):
    """Optuna's own suite for storages, whole."""

    @pytest.fixture
    def storage(self) -> BaseStorage:
        return RecordingStorage()


def a_study(storage: RecordingStorage, name: str) -> optuna.Study:
    return optuna.create_study(study_name=name, storage=storage)


def test_trials_of_other_studies_are_not_noted() -> None:
    storage = RecordingStorage()
    ours, other = a_study(storage, "ours"), a_study(storage, "other")
    other.set_user_attr("a", 1)
    other.ask().suggest_float("x", 0, 1)
    other.enqueue_trial({"x": 0.5})
    assert storage.changes == Changes()
    trial = ours.ask()
    trial.report(0.5, 1)
    # Its id is 2 here, its number 0: it is the number that says which trial it is.
    assert storage.changes == Changes(new_trials={0}, intermediate={0: {1}})
    assert storage.take_changes().trials[0].intermediate_values == {1: 0.5}


def test_what_was_noted_of_a_study_goes_with_it() -> None:
    storage = RecordingStorage()
    study = a_study(storage, "ours")
    study.ask()
    storage.delete_study(study._study_id)
    assert storage.take_changes() == Changes()


def test_what_is_taken_stays_as_it_was() -> None:
    # The database is away while the trial goes on: what waits to be written must not change.
    storage = RecordingStorage()
    trial = a_study(storage, "ours").ask()
    trial.report(0.5, 1)
    taken = storage.take_changes().trials[0]
    trial.report(0.25, 2)
    storage.restart_trial(0)
    assert (taken.state, taken.intermediate_values) == (TrialState.RUNNING, {1: 0.5})


def test_a_restarted_trial_is_the_next_to_be_asked_for() -> None:
    storage = RecordingStorage()
    study = a_study(storage, "ours")
    first, _ = study.ask(), study.ask()
    width = first.suggest_int("width", 1, 99)
    first.report(0.5, 1)
    storage.restart_trial(0)
    again = study.ask()
    assert (again.number, again.suggest_int("width", 1, 99)) == (0, width)
    assert study.trials[0].intermediate_values == {}


def test_hidden_trials_look_failed_to_samplers_and_in_no_other_study() -> None:
    storage = RecordingStorage()
    ours, other = a_study(storage, "ours"), a_study(storage, "other")
    for study in (ours, other):
        study.add_trial(optuna.trial.create_trial(value=1.0))
    storage.hide(frozenset({0}))
    assert (ours.trials[0].state, other.trials[0].state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert storage.own_trials()[0].state == TrialState.COMPLETE


def test_counts_follow_the_states_of_trials_and_of_no_other_study() -> None:
    storage = RecordingStorage()
    study, other = a_study(storage, "ours"), a_study(storage, "other")
    other.ask()
    study.enqueue_trial({"a": 1})
    asked = [study.ask() for _ in range(3)]
    study.tell(asked[0], 1.0)
    study.tell(asked[1], state=TrialState.FAIL)
    assert +storage.n_by_state == {
        TrialState.COMPLETE: 1,
        TrialState.FAIL: 1,
        TrialState.RUNNING: 1,
    }
    storage.restart_trial(asked[2].number)
    assert (storage.n_trials, storage.waiting) == (3, {asked[2].number})


def test_loaded_trials_are_counted_and_the_next_one_follows_them() -> None:
    storage = RecordingStorage()
    study = a_study(storage, "ours")
    trials = [create_trial(value=float(number)) for number in (3, 1, 2)]
    for number, trial in enumerate(trials):
        trial.number = number
    storage.load(trials)
    assert (storage.n_trials, study.best_trial.number, study.ask().number) == (3, 1, 3)
    assert storage.changes.new_trials == {3}  # what was loaded is not written again


@pytest.mark.parametrize(
    ("values", "best"), [([2.0, 0.5, 0.5, 1.0], 1), ([float("inf")], 0), ([float("inf"), 3.0], 1)]
)
def test_loaded_trials_have_the_best_that_optuna_finds(values: list[float], best: int) -> None:
    storage = RecordingStorage()
    study = a_study(storage, "ours")
    trials = [create_trial(value=value) for value in values]
    for number, trial in enumerate(trials):
        trial.number = number
    storage.load(trials)
    assert study.best_trial.number == best
