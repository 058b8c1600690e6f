"""The study that trains the best again: which ones, with which seeds, and where it goes on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.analysis.study_ties import ignored_ties, own_ties, retrained_ties, study_ties
from sweep.analysis.ties import TieSet
from sweep.config import TrialConfig
from sweep.coordinator import handlers
from sweep.coordinator.retrain import child_file, choose_retraining, run_retraining
from sweep.enums import Activation, Optimizer
from sweep.errors import StudyHeldError, UsageError
from sweep.launch.resources import RunOptions
from sweep.search.configurations import config_from_params, enqueue_params, trial_seeds
from sweep.store.annotate import delete_study, invalidate
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.schema import sweep_leases
from tests.support.coordinator_runs import study_file
from tests.support.explained_studies import DATA, Pretended, change_data
from tests.support.fake_workers import pretend_local_workers
from tests.support.store_factories import (
    EPOCH,
    add_explanation,
    add_rows,
    add_study,
    add_trial,
    lease_row,
    sqlite_store,
)

FILE = """
study.name = "x"
study.seed = 7
data.train_limit = 200
space.hidden_width = {low = 8, high = 1024, log = true}
space.epochs = 2
space.seed = {low = 0, high = 99}
space.activation.choices = ["relu", "gelu"]
space.optimizer.choices = ["adam", "sgd"]
space.optimizer.when.sgd.momentum = {low = 0.0, high = 0.99}
budget.trials = 6
pruner.name = "median"
"""
SGD = TrialConfig(hidden_width=64, epochs=2, optimizer=Optimizer.SGD, momentum=0.3)
#: The best first, but for trial 1, which has the settings of trial 3 and another seed.
CONFIGS = [
    (0.4, TrialConfig(hidden_width=8, epochs=2)),
    (0.15, SGD),
    (0.2, TrialConfig(hidden_width=100, epochs=2, activation=Activation.GELU)),
    (0.1, SGD),
    (0.3, TrialConfig(hidden_width=32, epochs=2)),
]


def make(engine: Engine, **columns: Any) -> int:
    columns = {"study_file": FILE, "provenance": DATA, **columns}
    study_id = add_study(engine, "x", **columns)
    for number, (error, config) in enumerate(CONFIGS):
        add_trial(engine, study_id, number, error, config=config)
    return study_id


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = sqlite_store(tmp_path)
    make(engine)
    return engine


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    pretended = Pretended()
    pretend_local_workers(monkeypatch, pretended)
    return pretended


def run(engine: Engine, n_top: int | None = None, n_seeds: int | None = None) -> str:
    of = choose_retraining(open_study(engine, "x"), n_top, n_seeds)
    options = RunOptions(gpus="cpu", cpu_workers=1)
    return run_retraining(engine, of, options, lambda state: None, say=lambda line: None)


def read_ties(engine: Engine) -> TieSet:
    ties = retrained_ties(open_study(engine, "x"))
    assert ties is not None
    return ties


def test_the_best_distinct_configurations_are_trained_the_best_first(engine: Engine) -> None:
    of = choose_retraining(open_study(engine, "x"), 3)
    assert (of.trials.numbers, of.child, of.n_seeds) == ([3, 2, 4], "x-ties", 5)
    file = child_file(open_study(engine, "x"), of)
    params = [enqueue_params(file, configuration) for configuration in file.enqueue]
    configs = [config_from_params(file, of_one) for of_one in params]
    assert configs == [(CONFIGS[number][1], None) for number in (3, 2, 4)]
    assert choose_retraining(open_study(engine, "x")).trials.numbers == [3, 2, 4, 0]


@pytest.mark.parametrize(
    ("baseline", "kept"), [("{ hidden_width = 16 }", {"hidden_width": 16}), ("1", None)]
)
def test_a_baseline_named_by_settings_is_that_of_the_trials_trained_again(
    tmp_path: Path, baseline: str, kept: object
) -> None:
    (tmp_path / "other").mkdir()
    engine = sqlite_store(tmp_path / "other")
    make(engine, study_file=f"study.baseline = {baseline}\n{FILE}")
    study = open_study(engine, "x")
    assert child_file(study, choose_retraining(study)).study.baseline == kept


def test_trials_that_do_not_count_are_not_trained_again(engine: Engine) -> None:
    invalidate(engine, "x", 3, "the disk was full")
    study_id = open_study(engine, "x").summary().study_id
    add_trial(engine, study_id, 5, 0.01, state="PRUNED", config=TrialConfig(hidden_width=9))
    assert choose_retraining(open_study(engine, "x"), 2).trials.numbers == [1, 2]


def test_the_data_are_the_studys_and_the_seeds_are_fresh(engine: Engine) -> None:
    parent, file = (
        study_file(FILE),
        child_file(open_study(engine, "x"), choose_retraining(open_study(engine, "x"), 3)),
    )
    assert (file.data, file.budget.trials, file.study.repeat) == (parent.data, 3, 5)
    assert file.pruner.name != parent.pruner.name
    seeds = [seed for number in range(3) for seed in trial_seeds(file, number, None)]
    own = [seed for number in range(5) for seed in trial_seeds(parent, number, None)]
    assert len({*seeds}) == 15 and not {*seeds} & {*own}


def test_the_ties_are_those_of_the_child_by_the_studys_numbers(
    engine: Engine, workers: Pretended
) -> None:
    assert study_ties(open_study(engine, "x")) is None  # one seed each
    assert run(engine) == "finished"
    ties = read_ties(engine)
    # pretended errors are 1 / width + 0.1 / epochs: the wider is better, whatever was measured
    assert [of.candidate.number for of in ties.compared] == [2, 3, 4, 0]
    assert {len(of.candidate.errors) for of in ties.compared} == {5}
    assert (ties.retrained_in, ties.left_out, ties.smallest) == ("x-ties", (), 2)
    assert study_ties(open_study(engine, "x")) == ties
    assert [of.candidate.number for of in own(engine)] == [1, 0, 2, 3]  # the child's own numbers
    n_trained = len(workers.trained)
    assert run(engine) == "finished"  # and there is nothing left to train
    assert len(workers.trained) == n_trained == 4


def own(engine: Engine) -> Any:
    ties = own_ties(open_study(engine, "x-ties"))
    assert ties is not None
    return ties.compared


def test_a_configuration_trained_again_in_vain_is_named(engine: Engine) -> None:
    run(engine)
    invalidate(engine, "x-ties", 0, "the disk was full")
    assert read_ties(engine).left_out == (3,)


# Killed after the first trial: what waits is trained by the next run, whatever was found meanwhile.
def test_a_run_that_was_cut_short_goes_on_and_repeats_nothing(
    engine: Engine, workers: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = handlers.MessageHandler._finish

    def cut(self: handlers.MessageHandler, *of_trial: Any) -> None:
        real(self, *of_trial)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(handlers.MessageHandler, "_finish", cut)
        with pytest.raises(KeyboardInterrupt):
            run(engine, 3, 4)
    assert retrained_ties(open_study(engine, "x")) is None
    better = replace(SGD, hidden_width=128)
    add_trial(engine, open_study(engine, "x").summary().study_id, 5, 0.01, config=better)
    done = {row.number for row in open_study(engine, "x-ties").trials(states=["COMPLETE"])}
    n_before = len(workers.trained)
    assert done and run(engine) == "finished"
    assert not done & {spec.number for spec in workers.trained[n_before:]}
    assert [len(of.candidate.errors) for of in read_ties(engine).compared] == [4, 4, 4]
    assert choose_retraining(open_study(engine, "x"), 2).trials.numbers == [5, 3]


def test_another_number_of_seeds_or_configurations_is_another_study(engine: Engine) -> None:
    run(engine, 3, 3)
    run(engine, 3, 4)
    run(engine, 2)
    assert read_ties(engine).retrained_in == "x-ties-3"
    assert choose_retraining(open_study(engine, "x"), 3, 3).child == "x-ties"
    assert choose_retraining(open_study(engine, "x"), 3).child == "x-ties-2"


# It must not be found by the name alone.
def test_a_study_made_anew_has_its_best_trained_anew(engine: Engine) -> None:
    run(engine)
    delete_study(engine, "x")
    make(engine, created_at=EPOCH + 1)
    assert study_ties(open_study(engine, "x")) is None
    assert "retrains another study that was named 'x'" in ignored_ties(open_study(engine, "x"))[0]
    run(engine)
    assert read_ties(engine).retrained_in == "x-ties-2"


def test_ties_by_other_data_are_ignored(engine: Engine) -> None:
    run(engine)
    change_data(engine)
    assert study_ties(open_study(engine, "x")) is None
    assert "was trained on other data than 'x'" in ignored_ties(open_study(engine, "x"))[0]


def test_a_study_that_was_trained_for_another_leads_to_that(engine: Engine) -> None:
    run(engine)
    baseline = TrialConfig()
    add_explanation(engine, "x", baseline, SGD, {baseline: (0.1,)})
    for child in ("x-ties", "x-explain"):
        with pytest.raises(UsageError, match="`sweep ties x --run`"):
            choose_retraining(open_study(engine, child))


def test_a_study_that_another_process_runs_is_left_alone(engine: Engine) -> None:
    of = choose_retraining(open_study(engine, "x"))
    add_rows(engine, sweep_leases, lease_row(add_study(engine, of.child), expires_at=4e9))
    with pytest.raises(StudyHeldError, match="runs already"):
        run_retraining(engine, of, RunOptions(), lambda state: None, say=lambda line: None)


@pytest.mark.parametrize(("n_trials", "said"), [(0, "no configuration"), (1, "one configuration")])
def test_it_takes_two_configurations(engine: Engine, n_trials: int, said: str) -> None:
    study_id = add_study(engine, "y", study_file=FILE.replace('"x"', '"y"'))
    for number in range(n_trials):
        add_trial(engine, study_id, number, 0.1, config=SGD)
    with pytest.raises(UsageError, match=said):
        choose_retraining(open_study(engine, "y"))
