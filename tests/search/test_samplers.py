"""Every sampler: inside its space, the same again, and conditions honoured."""

import warnings

import optuna
import pytest
from optuna.trial import TrialState

from sweep.enums import Sampler
from sweep.search import config_from_params, make_sampler, quiet_optuna, suggest_config
from sweep.search.samplers import SAMPLERS
from sweep.studyfile import StudyFile
from tests.support.study_factories import (
    CONDITIONAL,
    SMALL_GRID,
    make_study,
    make_study_file,
    run_trials,
    some_error,
)

#: Enough for each to leave its random beginning; gp takes half a second a trial.
N_TRIALS = {Sampler.GP: 5, Sampler.GRID: 10}
SMALL = {
    Sampler.NSGA2: ["sampler.population_size=5"],
    Sampler.GP: ["sampler.n_startup_trials=4"],
}


def study_file_for(sampler: Sampler, *overrides: str) -> StudyFile:
    space = SMALL_GRID if sampler is Sampler.GRID else CONDITIONAL
    small = SMALL.get(sampler, [])
    return make_study_file(space, f"sampler.name={sampler}", *small, *overrides)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet_optuna()


@pytest.mark.parametrize("sampler", Sampler)
def test_a_sampler_stays_in_the_space_and_repeats_itself(sampler: Sampler) -> None:
    study_file, n = study_file_for(sampler), N_TRIALS.get(sampler, 25)
    study = make_study(study_file)
    configs = run_trials(study, study_file, n)
    assert configs == run_trials(make_study(study_file), study_file, n)
    for trial in study.trials:
        domains = study_file.space.domains()
        assert all(domains[name].contains(value) for name, value in trial.params.items())


@pytest.mark.parametrize("sampler", Sampler)
def test_a_sampler_warns_of_nothing(sampler: Sampler) -> None:
    study_file = study_file_for(sampler)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_trials(make_study(study_file), study_file, 3)


@pytest.mark.parametrize("sampler", Sampler)
def test_a_sampler_works_while_others_are_running(sampler: Sampler) -> None:
    study_file = study_file_for(sampler)
    study = make_study(study_file)
    run_trials(study, study_file, 3)
    asked = [suggest_config(study.ask(), study_file)[0] for _ in range(5)]
    assert len(set(asked)) > 1


@pytest.mark.parametrize("sampler", sorted(set(Sampler) - {Sampler.CMAES, Sampler.GRID}))
def test_a_sampler_takes_two_objectives(sampler: Sampler) -> None:
    study_file = study_file_for(sampler, "study.objectives=['val_mse', 'hidden_width']")
    run_trials(make_study(study_file), study_file, N_TRIALS.get(sampler, 12))


@pytest.mark.parametrize("sampler", sorted(set(Sampler) - {Sampler.GRID}))
def test_another_seed_draws_other_trials(sampler: Sampler) -> None:
    one, other = study_file_for(sampler), study_file_for(sampler, "study.seed=1")
    assert run_trials(make_study(one), one, 3) != run_trials(make_study(other), other, 3)


def resume(study: optuna.Study, study_file: StudyFile) -> optuna.Study:
    """The study in a new process: its trials and attributes, and a new sampler."""
    n_existing = len(study.trials)
    again = optuna.create_study(sampler=make_sampler(study_file, n_existing))
    again.add_trials(study.trials)
    for key, value in study._storage.get_study_system_attrs(study._study_id).items():
        again._storage.set_study_system_attr(again._study_id, key, value)
    return again


@pytest.mark.parametrize("sampler", sorted(set(Sampler) - {Sampler.GRID}))
def test_a_resumed_study_draws_new_trials(sampler: Sampler) -> None:
    study_file = study_file_for(sampler)
    study = make_study(study_file)
    before = run_trials(study, study_file, 4)
    after = run_trials(resume(study, study_file), study_file, 2)
    assert not set(before) & set(after)


@pytest.mark.parametrize("sampler", [Sampler.TPE, Sampler.QMC, Sampler.CMAES])
def test_a_range_widened_on_resume_is_searched(sampler: Sampler) -> None:
    # Optuna's own inference keeps the old range (TPE in groups, QMC), or drops the parameter.
    narrow = study_file_for(sampler, "space.hidden_width.high=16")
    study = make_study(narrow)
    run_trials(study, narrow, 15)
    wide = study_file_for(sampler)
    configs = run_trials(resume(study, wide), wide, 25, lambda config: 1 / config.hidden_width)
    assert max(config.hidden_width for config in configs) > 16


@pytest.mark.parametrize("sampler", [Sampler.TPE, Sampler.CMAES])
def test_a_sampler_learns(sampler: Sampler) -> None:
    space = "hidden_width = { low = 8, high = 1024, log = true }\nepochs = { low = 1, high = 50 }"
    study_file = make_study_file(space, f"sampler.name={sampler}")
    configs = run_trials(
        make_study(study_file),
        study_file,
        60,
        lambda config: abs(config.epochs - 40) + abs(config.hidden_width - 100),
    )
    late = [abs(config.hidden_width - 100) for config in configs[-20:]]
    assert sorted(late)[10] < 60


def test_tpe_learns_within_each_branch() -> None:
    study_file = make_study_file(CONDITIONAL, "sampler.n_startup_trials=15")
    study = make_study(study_file)
    run_trials(
        study, study_file, 60, lambda config: abs(config.learning_rate - 1e-3) - config.beta1
    )
    late = [trial.params for trial in study.trials[-20:]]
    near = [p for p in late if p["optimizer"] == "adam" and p["adam.beta1"] > 0.9]
    assert len(near) >= 10


def test_qmc_spreads_conditional_settings_too() -> None:
    study_file = make_study_file(CONDITIONAL, "sampler.name=qmc")
    study = make_study(study_file)
    configs = run_trials(study, study_file, 32)
    assert sorted(config.optimizer for config in configs) == ["adam"] * 16 + ["sgd"] * 16


def test_nsga2_keeps_its_parents_by_number() -> None:
    # A trial's id in memory and in the database are two things; its number is one.
    study_file = study_file_for(Sampler.NSGA2)
    study = make_study(study_file)
    run_trials(study, study_file, 12)
    parents = study._storage.get_study_system_attrs(study._study_id)["sweep:nsga2:parents:1"]
    assert set(parents) <= set(range(12))


@pytest.mark.parametrize("sampler", Sampler)
def test_fixed_parameters_of_an_enqueued_trial_win(sampler: Sampler) -> None:
    study_file = study_file_for(sampler)
    study = make_study(study_file)
    run_trials(study, study_file, 2)
    study.enqueue_trial({"hidden_width": 16, "optimizer": "sgd"})
    config, _ = suggest_config(study.ask(), study_file)
    assert (config.hidden_width, config.optimizer) == (16, "sgd")


def test_failed_and_pruned_trials_disturb_no_sampler() -> None:
    for sampler in set(Sampler) - {Sampler.GP}:
        study_file = study_file_for(sampler)
        study = make_study(study_file)
        for index in range(10):
            trial = study.ask()
            config, _ = suggest_config(trial, study_file)
            trial.report(some_error(config), 1)
            state = TrialState.FAIL if index % 2 else TrialState.PRUNED
            study.tell(trial, state=state)
            assert config_from_params(study_file, trial.params)[0] == config


def test_every_sampler_of_the_study_file_is_there() -> None:
    assert set(SAMPLERS) == set(Sampler)
