"""The study that an explanation trains: its space, its seeds, its rounds, and where it goes on."""

import itertools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from sweep.analysis.explanation import explain, in_use, is_valid, parameter_groups
from sweep.analysis.study_explanation import (
    StudyExplanation,
    choose_ends,
    list_ignored,
    study_explanation,
)
from sweep.config import TrialConfig, typed_config
from sweep.coordinator import handlers
from sweep.coordinator.explain import (
    AblationJob,
    child_file,
    choose_ablation,
    enqueue_entry,
    run_explanation,
)
from sweep.enums import AblationMethod, Activation, Loss, Optimizer, Output, Schedule, WeightInit
from sweep.errors import FailureLimitError, NotFoundError, StudyHeldError, UsageError
from sweep.launch.resources import RunOptions
from sweep.search.configurations import config_from_params, enqueue_params, trial_seeds
from sweep.store.annotate import delete_study
from sweep.store.derived_studies import Explained
from sweep.store.engine import Engine, write_transaction
from sweep.store.handle import open_study
from sweep.store.schema import sweep_leases, sweep_trials
from tests.support.coordinator_runs import study_file
from tests.support.explained_studies import DATA, Pretended, change_data
from tests.support.fake_workers import pretend_local_workers
from tests.support.store_factories import (
    EPOCH,
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
space.epochs = {low = 1, high = 9}
space.activation.choices = ["relu", "gelu"]
budget.trials = 3
"""


BASELINE = TrialConfig(hidden_width=8, epochs=1)
#: Pretended errors are 1 / width + 0.1 / epochs: the width helps most.
TARGET = TrialConfig(
    hidden_width=64, epochs=4, activation=Activation.GELU, loss=Loss.MSE, batch_size=32
)

FAR = [
    TrialConfig(
        output_activation=Output.LINEAR,
        loss=Loss.HUBER,
        huber_delta=0.1,
        learning_rate=3e-3,
        lr_schedule=Schedule.LINEAR_WARMUP,
        warmup_epochs=2,
        weight_init=WeightInit.HE_NORMAL,
        batch_size=32,
        beta1=0.8,
    ),
    TrialConfig(optimizer=Optimizer.SGD, learning_rate=1.0, momentum=0.9, nesterov=True),
    TrialConfig(
        output_activation=Output.LINEAR, loss=Loss.MSE, optimizer=Optimizer.ADAMW, weight_decay=1e-4
    ),
]


def ends_of(baseline: TrialConfig = BASELINE, target: TrialConfig = TARGET) -> Explained:
    return Explained(
        study="x",
        study_created_at=EPOCH,
        from_number=0,
        from_baseline=False,
        to_number=1,
        baseline=asdict(baseline),
        target=asdict(target),
    )


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A study of two trials, the ends of ``ends_of()``."""
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine, "x", study_file=FILE, provenance=DATA)
    for number, config in enumerate((BASELINE, TARGET)):
        add_trial(engine, study_id, number, 0.1 / (1 + number), config=config)
    return engine


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    pretended = Pretended()
    pretend_local_workers(monkeypatch, pretended)
    return pretended


def run(engine: Engine, *numbers: int, n_seeds: int | None = None) -> str:
    ends, method = numbers or (0, 1), AblationMethod.PATH
    of = choose_ablation(open_study(engine, "x"), *ends, n_seeds=n_seeds, method=method)
    options = RunOptions(gpus="cpu", cpu_workers=1)
    return run_explanation(engine, of, options, lambda state: None, say=lambda line: None)


def read_explanation(engine: Engine) -> StudyExplanation:
    explanation = study_explanation(open_study(engine, "x"))
    assert explanation is not None
    return explanation


@pytest.mark.parametrize("target", FAR)
@pytest.mark.parametrize("turned", [False, True])
def test_the_space_has_every_valid_configuration_between_the_ends(
    target: TrialConfig, turned: bool
) -> None:
    baseline = in_use(TrialConfig())
    between = (in_use(target), baseline) if turned else (baseline, in_use(target))
    ends, causes = ends_of(*between), parameter_groups(*between)
    file = child_file(study_file(FILE), ends, "x-explain", 3, [baseline])
    assert in_use(typed_config(file.baseline.settings)) == between[0]
    for made in itertools.product((False, True), repeat=len(causes)):
        changes: dict[str, Any] = {}
        for cause, is_made in zip(causes, made, strict=True):
            changes |= cause.after if is_made else {}
        config = replace(between[0], **changes)
        if is_valid(config):
            params = enqueue_params(file, enqueue_entry(ends, config))
            assert config_from_params(file, params)[0] == config


def test_every_configuration_has_the_same_seeds_and_the_parents_data() -> None:
    parent = study_file(FILE)
    first = explain(BASELINE, TARGET, {}).missing
    file = child_file(parent, ends_of(), "x-explain", 3, first)
    params = [enqueue_params(file, configuration) for configuration in file.enqueue]
    seeds = {trial_seeds(file, n, config_from_params(file, p)[1]) for n, p in enumerate(params)}
    assert [len(of) for of in seeds] == [3]
    assert (file.data, file.budget.trials) == (parent.data, len(params))


def test_both_paths_are_trained_in_rounds_and_nothing_twice(
    engine: Engine, workers: Pretended
) -> None:
    assert run(engine) == "finished"
    explanation = read_explanation(engine)
    assert (explanation.child, explanation.found.is_whole) == ("x-explain", True)
    assert [step.groups for step in explanation.found.forward.steps] == [
        ("width",),
        ("epochs",),
        ("loss",),  # which changes nothing here, as those that follow
        ("activation",),
        ("batch size",),
    ]
    configs = [spec.config for spec in workers.trained]
    assert len(configs) == len(set(configs)) <= 30
    assert {len(spec.seeds) for spec in workers.trained} == {3}
    assert run(engine) == "finished"  # and there is nothing left to train
    assert len(workers.trained) == len(configs)


def test_it_is_an_ordinary_study_that_says_what_it_explains(engine: Engine) -> None:
    run(engine)
    study = open_study(engine, "x-explain").summary()
    assert study.counts["COMPLETE"] == study.n_trials
    assert study.description.startswith("Why trial 1 of x")
    same = study_explanation(open_study(engine, "x-explain"))
    assert same == read_explanation(engine)


# Killed between the rounds' hand-outs, or while a round trains: both leave trials that wait, and
# the next run begins with them.
@pytest.mark.parametrize("n_trained", [2, 11, 14])
def test_a_run_that_was_cut_short_goes_on_and_repeats_nothing_that_was_done(
    engine: Engine, workers: Pretended, monkeypatch: pytest.MonkeyPatch, n_trained: int
) -> None:
    real = handlers.MessageHandler._finish

    def cut(self: handlers.MessageHandler, *of_trial: Any) -> None:
        real(self, *of_trial)
        if len(workers.trained) >= n_trained:
            raise KeyboardInterrupt

    monkeypatch.setattr(handlers.MessageHandler, "_finish", cut)
    with pytest.raises(KeyboardInterrupt):
        run(engine)
    monkeypatch.setattr(handlers.MessageHandler, "_finish", real)
    assert not read_explanation(engine).found.is_whole
    done = {row.number for row in open_study(engine, "x-explain").trials(states=["COMPLETE"])}
    n_before = len(workers.trained)
    assert run(engine) == "finished"
    assert read_explanation(engine).found.is_whole
    assert not done & {spec.number for spec in workers.trained[n_before:]}
    rows = open_study(engine, "x-explain").trials()
    assert len(rows) == len({repr(row.config) for row in rows})


def test_configurations_asked_for_by_a_run_that_died_before_it_began_are_trained_once(
    engine: Engine, workers: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sweep.coordinator import explain

    def die(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(explain, "resume", die)
        with pytest.raises(KeyboardInterrupt):
            run(engine)
    assert open_study(engine, "x-explain").summary().n_pending_commands > 0
    run(engine)
    trials = open_study(engine, "x-explain").trials()
    assert len(trials) == len({repr(row.config) for row in trials})


def test_another_number_of_seeds_or_another_end_is_another_study(engine: Engine) -> None:
    run(engine)
    run(engine, n_seeds=1)
    assert read_explanation(engine).child == "x-explain-2"
    assert read_explanation(engine).found.forward.steps[0].effect.low is None
    shorter = replace(TARGET, epochs=2)
    add_trial(engine, open_study(engine, "x").summary().study_id, 2, 0.3, config=shorter)
    run(engine, 0, 2)
    assert (read_explanation(engine).child, read_explanation(engine).ends.to_number) == (
        "x-explain-3",
        2,
    )
    assert choose_ablation(open_study(engine, "x"), 0, 1, 3).child == "x-explain"


def test_what_was_begun_last_is_gone_on_with_unless_it_is_whole(
    engine: Engine, workers: Pretended
) -> None:
    assert choose_ablation(open_study(engine, "x")).ends.from_number is None
    workers.fails_after = 4
    with pytest.raises(FailureLimitError):
        run(engine, 1, 0)
    begun = choose_ablation(open_study(engine, "x"))
    assert (begun.child, begun.ends.from_number, begun.ends.to_number) == ("x-explain", 1, 0)
    workers.fails_after = 10**9
    run(engine, 1, 0)
    assert choose_ablation(open_study(engine, "x")).ends.from_number is None


def test_a_study_that_explains_leads_to_the_one_it_explains(engine: Engine) -> None:
    run(engine)
    with pytest.raises(UsageError, match="`sweep explain x`"):
        choose_ablation(open_study(engine, "x-explain"))


def make_anew(engine: Engine, **columns: Any) -> None:
    """Another study "x" with the same two trials."""
    delete_study(engine, "x")
    columns = {"study_file": FILE, "provenance": DATA, "created_at": EPOCH + 1, **columns}
    study_id = add_study(engine, "x", **columns)
    for number, config in enumerate((BASELINE, TARGET)):
        add_trial(engine, study_id, number, 0.1, config=config)


# It was found by the name alone: a study that was started anew had its predecessor's explanation.
def test_a_study_made_anew_is_explained_anew(engine: Engine, workers: Pretended) -> None:
    run(engine)
    n_before = len(workers.trained)
    make_anew(engine)
    assert study_explanation(open_study(engine, "x")) is None
    assert "another study that was named 'x'" in list_ignored(open_study(engine, "x"))[0]
    assert run(engine) == "finished"
    assert (read_explanation(engine).child, len(workers.trained)) == ("x-explain-2", 2 * n_before)
    with pytest.raises(UsageError, match="not there any more: `sweep report x-explain`"):
        choose_ablation(open_study(engine, "x-explain"))


def test_a_study_made_anew_does_not_go_on_with_what_was_begun_for_the_old_one(
    engine: Engine, workers: Pretended
) -> None:
    workers.fails_after = 4
    with pytest.raises(FailureLimitError):
        run(engine)
    make_anew(engine)
    assert (
        choose_ablation(open_study(engine, "x")).child
        == choose_ablation(open_study(engine, "x"), 0, 1).child
        == "x-explain-2"
    )


def test_an_explanation_by_other_data_is_ignored(engine: Engine) -> None:
    run(engine)
    change_data(engine)
    assert study_explanation(open_study(engine, "x")) is None
    assert "was trained on other data than 'x'" in list_ignored(open_study(engine, "x"))[0]


def test_all_rounds_have_one_launcher_and_no_two_workers_one_name(
    engine: Engine, workers: Pretended
) -> None:
    # What a worker said at the end of a round is in the inbox yet when the next one begins.
    run(engine)
    names = [worker.name for worker in open_study(engine, "x-explain").workers()]
    assert len({*names}) == len(names) > 1, "several rounds"
    assert workers.n_runs == 1


def test_an_explanation_that_is_whole_needs_no_means(engine: Engine, workers: Pretended) -> None:
    run(engine)
    assert run(engine) == "finished"
    assert workers.n_runs == 1


def test_what_cannot_be_trained_ends_with_where_to_look(engine: Engine, workers: Pretended) -> None:
    workers.fails_after = 0
    with pytest.raises(FailureLimitError, match="sweep trials x-explain --state fail"):
        run(engine)


def test_a_study_that_another_process_runs_is_left_alone(engine: Engine) -> None:
    study_id = add_study(engine, "x-explain")
    add_rows(engine, sweep_leases, lease_row(study_id, expires_at=4e9))
    with pytest.raises(StudyHeldError, match="runs already"):
        run_explanation(
            engine,
            AblationJob(ends=ends_of(), child="x-explain", n_seeds=2),
            RunOptions(),
            lambda state: None,
            say=lambda line: None,
        )


def test_by_default_it_goes_from_the_questions_configuration_to_the_best(engine: Engine) -> None:
    ends = choose_ends(open_study(engine, "x"))
    assert (ends.from_number, ends.to_number) == (None, 1)
    assert ends.baseline == asdict(TrialConfig())
    question = replace(TrialConfig(), eps=1e-7)  # Keras's own
    add_trial(engine, open_study(engine, "x").summary().study_id, 2, 0.3, config=question)
    assert choose_ends(open_study(engine, "x")).from_number == 2
    assert choose_ends(open_study(engine, "x"), 0).baseline == asdict(BASELINE)


def test_a_trial_that_waits_has_no_configuration_to_begin_from(engine: Engine) -> None:
    trial_id = add_trial(engine, open_study(engine, "x").summary().study_id, 2, state="WAITING")
    with write_transaction(engine) as connection:
        of_trial = sweep_trials.c.trial_id == trial_id
        connection.execute(update(sweep_trials).where(of_trial).values(config={}))
    with pytest.raises(NotFoundError, match="it is waiting"):
        choose_ends(open_study(engine, "x"), 2)


def test_a_baseline_has_the_settings_that_the_study_fixes(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine, "y", study_file=FILE.replace('"x"', '"y"') + "space.batch_size=64")
    with pytest.raises(UsageError, match="no complete trial"):
        choose_ends(open_study(engine, "y"))
    add_trial(engine, study_id, 0, 0.1, config=TARGET)
    assert choose_ends(open_study(engine, "y")).baseline["batch_size"] == 64
    with pytest.raises(UsageError, match="nothing to explain"):
        choose_ends(open_study(engine, "y"), 0, 0)


def test_a_baseline_that_cannot_be_trained_asks_for_a_trial(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    linear = 'space.output_activation = "linear"\nspace.loss.choices = ["mse", "l1"]'
    study_id = add_study(engine, "y", study_file=FILE.replace('"x"', '"y"') + linear)
    add_trial(engine, study_id, 0, 0.1, config=TARGET)
    with pytest.raises(UsageError, match="--from"):
        choose_ends(open_study(engine, "y"))
