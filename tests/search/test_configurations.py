"""From trials to configurations and seeds, and back."""

import optuna
import pytest

from sweep.config import TrialConfig
from sweep.errors import StudyFileError
from sweep.search import (
    config_from_params,
    distributions,
    enqueue_params,
    make_sampler,
    suggest_config,
    trial_seeds,
)
from tests.support.study_factories import CONDITIONAL, make_study, make_study_file, run_trials

Conditional = make_study_file(CONDITIONAL)


def test_distributions_are_what_a_trial_stores() -> None:
    study = make_study(Conditional)
    run_trials(study, Conditional, 8)
    known = distributions(Conditional.space)
    for trial in study.trials:
        assert trial.distributions == {name: known[name] for name in trial.params}
    assert {name for trial in study.trials for name in trial.params} == set(known)


def test_stored_choices_are_plain_texts() -> None:
    study = make_study(Conditional)
    run_trials(study, Conditional, 1)
    assert type(study.trials[0].params["optimizer"]) is str


def test_parameters_lead_back_to_the_configuration() -> None:
    study = make_study(Conditional)
    configs = run_trials(study, Conditional, 8)
    again = [config_from_params(Conditional, trial.params)[0] for trial in study.trials]
    assert again == configs


def test_parameters_of_another_space_are_refused() -> None:
    with pytest.raises(StudyFileError, match="optimizer: not among the trial's parameters"):
        config_from_params(Conditional, {"hidden_width": 8, "activation": "relu"})


def test_a_fixed_space_needs_no_parameters() -> None:
    study_file = make_study_file("hidden_width = 64")
    study = make_study(study_file)
    assert run_trials(study, study_file, 1) == [TrialConfig(hidden_width=64)]
    assert study.trials[0].params == {}


def test_a_waiting_trial_with_parameters_keeps_its_configuration() -> None:
    # A resumed study: the trial was running when its coordinator died.
    first = make_study(Conditional).ask()
    config, _ = suggest_config(first, Conditional)
    resumed = optuna.create_study(sampler=make_sampler(Conditional, 1))
    resumed.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.WAITING,
            params=first.params,
            distributions=first.distributions,
        )
    )
    assert suggest_config(resumed.ask(), Conditional) == (config, None)


def enqueued_config(configuration: dict[str, object]) -> TrialConfig:
    study = make_study(Conditional)
    study.enqueue_trial(enqueue_params(Conditional, configuration))
    return suggest_config(study.ask(), Conditional)[0]


def test_an_enqueued_configuration_is_trained_as_given() -> None:
    config = enqueued_config(
        {
            "hidden_width": 784,
            "activation": "relu",
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "beta1": 0.9,
            "batch_size": 128,
        }
    )
    assert config == TrialConfig()


def test_what_an_enqueued_configuration_leaves_out_is_sampled() -> None:
    config = enqueued_config({"hidden_width": 64})
    assert config.hidden_width == 64
    assert config.activation in ("relu", "tanh")


def test_a_setting_is_fixed_in_every_branch_that_may_be_chosen() -> None:
    params = enqueue_params(
        make_study_file(CONDITIONAL, "space.optimizer.when.adam.learning_rate.high=1.0"),
        {"learning_rate": 0.5},
    )
    assert params == {"adam.learning_rate": 0.5, "sgd.learning_rate": 0.5}


def test_a_configuration_outside_the_space_is_refused() -> None:
    with pytest.raises(StudyFileError, match=r"enqueue\.hidden_width: 4 is not in"):
        enqueue_params(Conditional, {"hidden_width": 4})


def test_each_trial_has_seeds_of_its_own_and_always_the_same() -> None:
    study_file = make_study_file(CONDITIONAL, "study.repeat=3")
    seeds = [trial_seeds(study_file, number, None) for number in range(100)]
    assert seeds == [trial_seeds(study_file, number, None) for number in range(100)]
    assert len({seed for trial in seeds for seed in trial}) == 300
    assert all(0 <= seed < 2**31 for trial in seeds for seed in trial)


def test_other_studies_train_with_other_seeds() -> None:
    other = make_study_file(CONDITIONAL, "study.seed=1")
    assert trial_seeds(other, 0, None) != trial_seeds(Conditional, 0, None)


def test_more_repeats_keep_the_first_seeds() -> None:
    three = trial_seeds(make_study_file(CONDITIONAL, "study.repeat=3"), 5, None)
    assert trial_seeds(make_study_file(CONDITIONAL, "study.repeat=2"), 5, None) == three[:2]


def test_a_seed_of_the_space_comes_first() -> None:
    study_file = make_study_file("seed = { low = 0, high = 9 }", "study.repeat=3")
    first, *others = trial_seeds(study_file, 7, 4)
    assert first == 4
    assert len({4, *others}) == 3
