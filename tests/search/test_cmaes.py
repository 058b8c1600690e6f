"""CMA-ES learns as Optuna's does, and keeps no pickle."""

import json
import pickle
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from sweep.config import TrialConfig
from sweep.search import make_sampler, quiet_optuna, suggest_config
from sweep.search.cmaes import CmaEsSampler
from sweep.studyfile import StudyFile
from tests.support.study_factories import make_study, make_study_file, run_trials

SPACE = """
hidden_width = { low = 8, high = 1024, log = true }
epochs = { low = 1, high = 50 }
learning_rate = { low = 1e-5, high = 1e-1, log = true }
"""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet_optuna()


@pytest.fixture
def study_file() -> StudyFile:
    return make_study_file(SPACE, "sampler.name='cmaes'", "sampler.popsize=5")


def error(config: TrialConfig) -> float:
    return abs(config.epochs - 40) / 50 + abs(config.hidden_width - 100) / 1000


def params(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def in_a_new_process(
    study: optuna.Study, study_file: StudyFile, reset: int | None = None
) -> optuna.Study:
    """The study as a resume finds it, with all that its database kept, which is JSON.

    One trial may be back in the queue, as `sweep doctor --repair` puts it there.
    """
    again = optuna.create_study(sampler=make_sampler(study_file, len(study.trials)))
    for trial in study.trials:
        if trial.number == reset:
            trial.state, trial.values = TrialState.WAITING, None
            trial.datetime_start = trial.datetime_complete = None
        again.add_trial(trial)
    for key, value in study._storage.get_study_system_attrs(study._study_id).items():
        again._storage.set_study_system_attr(again._study_id, key, json.loads(json.dumps(value)))
    return again


def optimizer(study: optuna.Study) -> Any:
    assert isinstance(study.sampler, CmaEsSampler)
    return study.sampler._optimizer


def optunas_own(study: optuna.Study) -> optuna.samplers.CmaEsSampler:
    """Optuna's sampler over the same space, in place of ours."""
    theirs = optuna.samplers.CmaEsSampler(popsize=5, seed=1, warn_independent_sampling=False)
    space = study.sampler.infer_relative_search_space(study, None)  # type: ignore[arg-type]
    theirs.infer_relative_search_space = lambda study, trial: space  # type: ignore[method-assign]
    study.sampler = theirs
    return theirs


def test_it_learns_what_optunas_own_learns_from_the_same_trials(study_file: StudyFile) -> None:
    # So it does too from a study that Optuna's sampler began; the pickle in it is left alone.
    study = make_study(study_file)
    theirs = optunas_own(study)
    run_trials(study, study_file, 22, error)
    learned: Any = theirs._restore_optimizer(study.trials)
    again = in_a_new_process(study, study_file)
    suggest_config(again.ask(), study_file)
    ours = optimizer(again)
    assert ours.generation == learned.generation == 4
    assert ours.mean == pytest.approx(learned.mean)
    assert pytest.approx(learned._C) == ours._C


def test_nothing_of_it_is_a_pickle(study_file: StudyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dumps", "loads", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, None)
    study = make_study(study_file)
    run_trials(study, study_file, 20, error)
    run_trials(in_a_new_process(study, study_file), study_file, 2, error)
    assert {key for trial in study.trials for key in trial.system_attrs} == {"cma:generation"}


def test_a_pickle_that_somebody_put_into_the_database_is_not_opened(study_file: StudyFile) -> None:
    study = make_study(study_file)
    run_trials(study, study_file, 8, error)
    for key in ("cma:optimizer:0", "cma:optimizer"):
        trial = optuna.trial.create_trial(
            value=0.0, system_attrs={key: pickle.dumps(Trap()).hex(), "cma:generation": 0}
        )
        study.add_trial(trial)
    run_trials(in_a_new_process(study, study_file), study_file, 3, error)


class Trap:
    """Whoever unpickles it hears of it."""

    def __reduce__(self) -> Any:
        return _rise, ()


def _rise() -> None:
    raise AssertionError("a pickle was opened")


def test_a_resumed_study_knows_what_its_optimizer_had_learned(study_file: StudyFile) -> None:
    study = make_study(study_file)
    run_trials(study, study_file, 32, error)
    again = in_a_new_process(study, study_file)
    suggest_config(study.ask(), study_file)
    suggest_config(again.ask(), study_file)
    before, after = optimizer(study), optimizer(again)
    assert before.generation == after.generation >= 5
    assert (before.mean == after.mean).all() and (before._C == after._C).all()


def test_a_trial_that_came_late_is_not_told_on_resume_either(study_file: StudyFile) -> None:
    # Seven of a generation of five run at once; the first to be asked finish last. By number
    # they would come first, and the resumed optimizer would have learned something else.
    study = make_study(study_file)
    run_trials(study, study_file, 1, error)
    running = [study.ask() for _ in range(7)]
    configs = [suggest_config(trial, study_file)[0] for trial in running]
    for trial, config in list(zip(running, configs, strict=True))[2:]:
        study.tell(trial, error(config))
    run_trials(study, study_file, 2, error)
    for trial, config in list(zip(running, configs, strict=True))[:2]:
        study.tell(trial, error(config))
    again = in_a_new_process(study, study_file)
    suggest_config(again.ask(), study_file)
    assert (optimizer(again).mean == optimizer(study).mean).all()


def test_a_study_goes_on_after_a_trial_that_was_told_is_reset(study_file: StudyFile) -> None:
    study = make_study(study_file)
    run_trials(study, study_file, 32, error)
    suggest_config(study.ask(), study_file)
    again = in_a_new_process(study, study_file, reset=8)
    waiting = again.ask()
    suggest_config(again.ask(), study_file)
    assert optimizer(again).generation == 1  # trial 8 is one of the second generation
    again.tell(waiting, study.trials[8].value)
    suggest_config(again.ask(), study_file)
    assert (optimizer(again).mean == optimizer(study).mean).all()
