"""The grid: every configuration once, conditions and resumes included."""

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.config import TrialConfig
from sweep.search import config_from_params, grid_size, make_sampler, suggest_config
from sweep.search.grid import index_of, point_at
from sweep.studyfile import StudyFile
from tests.support.study_factories import SMALL_GRID, make_study, make_study_file, run_trials

NO_BUDGET = ""


def small_grid(*overrides: str, more: str = NO_BUDGET) -> StudyFile:
    return make_study_file(SMALL_GRID, "sampler.name=grid", *overrides, more=more)


def every_config(study_file: StudyFile) -> set[TrialConfig]:
    nodes = study_file.space.nodes
    points = [point_at(nodes, index) for index in range(grid_size(study_file.space))]
    return {config_from_params(study_file, point)[0] for point in points}


def test_a_grid_counts_each_configuration_once() -> None:
    assert grid_size(small_grid().space) == 10
    assert len(every_config(small_grid())) == 10


def test_steps_are_walked_to_the_last() -> None:
    space = """
        learning_rate = { low = 0.1, high = 0.3, step = 0.1 }
        epochs = { low = 1, high = 5, step = 2 }
        """
    study_file = make_study_file(space, "sampler.name=grid", more=NO_BUDGET)
    configs = {(c.learning_rate, c.epochs) for c in every_config(study_file)}
    assert configs == {(rate, epochs) for rate in (0.1, 0.2, 0.3) for epochs in (1, 3, 5)}


@given(st.integers(0, 9))
def test_a_point_leads_back_to_its_index(index: int) -> None:
    nodes = small_grid().space.nodes
    assert index_of(nodes, point_at(nodes, index)) == index


def test_parameters_outside_the_grid_have_no_index() -> None:
    nodes = small_grid().space.nodes
    assert index_of(nodes, {"hidden_width": 17, "optimizer": "adam", "adam.beta1": 0.8}) is None
    assert index_of(nodes, {"hidden_width": 16, "optimizer": "adam"}) is None


def test_a_grid_study_runs_every_configuration_exactly_once() -> None:
    study_file = small_grid()
    configs = run_trials(make_study(study_file), study_file, 10)
    assert set(configs) == every_config(study_file)
    assert len(configs) == 10


def test_a_whole_grid_runs_in_order() -> None:
    study_file = make_study_file(
        "hidden_width = { choices = [8, 16, 32] }", "sampler.name=grid", more=NO_BUDGET
    )
    configs = run_trials(make_study(study_file), study_file, 3)
    assert [config.hidden_width for config in configs] == [8, 16, 32]


def test_part_of_a_grid_is_spread_over_it() -> None:
    study_file = small_grid(more="budget.trials = 5")
    configs = run_trials(make_study(study_file), study_file, 5)
    assert len(set(configs)) == 5
    assert {config.hidden_width for config in configs} == {16, 32}


def test_an_enqueued_configuration_takes_its_point() -> None:
    study_file = small_grid()
    study = make_study(study_file)
    study.enqueue_trial({"hidden_width": 32, "optimizer": "adam", "adam.beta1": 0.9})
    configs = run_trials(study, study_file, 10)
    assert (configs[0].hidden_width, configs[0].beta1) == (32, 0.9)
    assert set(configs) == every_config(study_file)


def test_what_an_enqueued_configuration_leaves_open_comes_from_a_free_point() -> None:
    study_file = small_grid()
    study = make_study(study_file)
    run_trials(study, study_file, 1)  # width 16, adam, beta1 0.8
    study.enqueue_trial({"hidden_width": 16, "optimizer": "adam"})
    configs = run_trials(study, study_file, 9)
    assert configs[0].beta1 == 0.9
    assert len(set(configs)) == 9


@given(n_before=st.integers(0, 10), n_running=st.integers(0, 3), budget=st.sampled_from([None, 10]))
@settings(max_examples=25, deadline=None)
def test_a_resumed_grid_runs_every_configuration_exactly_once(
    n_before: int, n_running: int, budget: int | None
) -> None:
    study_file = small_grid(more=f"budget.trials = {budget}" if budget else NO_BUDGET)
    study = make_study(study_file)
    done = run_trials(study, study_file, n_before)
    n_running = min(n_running, 10 - n_before)
    running = [study.ask() for _ in range(n_running)]
    for trial in running:
        suggest_config(trial, study_file)
    # What ran goes back to waiting, under its own number; then a new process takes over.
    again = optuna.create_study(sampler=make_sampler(study_file, len(study.trials)))
    for frozen in study.trials:
        if frozen.state is optuna.trial.TrialState.RUNNING:
            frozen.state = optuna.trial.TrialState.WAITING
        again.add_trial(frozen)
    rest = run_trials(again, study_file, 10 - n_before)
    assert len(done + rest) == 10
    assert set(done + rest) == every_config(study_file)


def test_a_trial_whose_parameters_were_never_drawn_keeps_its_point() -> None:
    # Asked for, and the coordinator died before it drew any parameter.
    study_file = small_grid()
    study = make_study(study_file)
    study.ask()
    again = optuna.create_study(sampler=make_sampler(study_file, 1))
    again.add_trials(study.trials)
    rest = run_trials(again, study_file, 9)
    assert point_at(study_file.space.nodes, 0) not in [trial.params for trial in again.trials[1:]]
    assert len(set(rest)) == 9


def test_a_grid_widened_on_resume_runs_the_new_points_only() -> None:
    # Every point's index moves when a range grows.
    space = "hidden_width = { choices = [8, 16] }\nepochs = { low = 1, high = 2 }"
    narrow = make_study_file(space, "sampler.name=grid", more=NO_BUDGET)
    study = make_study(narrow)
    before = run_trials(study, narrow, 4)
    wide = make_study_file(space, "sampler.name=grid", "space.epochs.high=4", more=NO_BUDGET)
    again = optuna.create_study(sampler=make_sampler(wide, 4))
    again.add_trials(study.trials)
    after = run_trials(again, wide, 4)
    assert set(before + after) == every_config(wide)


@pytest.mark.parametrize("extra", [1, 3])
def test_trials_beyond_the_last_point_repeat_points(extra: int) -> None:
    study_file = small_grid()
    configs = run_trials(make_study(study_file), study_file, 10 + extra)
    assert set(configs) == every_config(study_file)
