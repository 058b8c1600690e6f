"""The study that a factorial analysis trains: what it lacks, with the seeds that it has."""

from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from sweep.analysis.explanation import in_use
from sweep.analysis.factorial import causes_between, factorial
from sweep.analysis.study_explanation import study_explanation
from sweep.analysis.study_factorial import StudyFactorial, study_factorial
from sweep.config import TrialConfig, typed_config
from sweep.coordinator.explain import (
    AblationJob,
    child_file,
    choose_ablation,
    enqueue_entry,
    load_factorial,
    run_explanation,
)
from sweep.coordinator.run import start
from sweep.enums import AblationMethod, Activation, Loss, Optimizer, Output, Schedule
from sweep.errors import FailureLimitError, UsageError
from sweep.launch.resources import RunOptions
from sweep.search.configurations import config_from_params, enqueue_params
from sweep.store.derived_studies import Explained
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.studyfile import StudyFile, loads
from tests.support.explained_studies import Pretended
from tests.support.fake_workers import pretend_local_workers
from tests.support.store_factories import EPOCH, add_study, add_trial, sqlite_store

#: Sixteen cells, all of them trials.
CORNERS = """
study.name = "x"
study.repeat = 2
data.train_limit = 200
space.epochs = [1, 4]
space.hidden_width = [8, 64]
space.activation = ["relu", "linear"]
space.seed = 3
space.output_activation.choices = ["sigmoid", "linear"]
space.output_activation.when.sigmoid.loss = "bce"
space.output_activation.when.linear.loss = "mse"
sampler.name = "grid"
"""
OPTIONS = RunOptions(gpus="cpu", cpu_workers=1)


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    pretended = Pretended()
    pretend_local_workers(monkeypatch, pretended)
    return pretended


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


def train(engine: Engine, text: str, *overrides: str) -> None:
    """Run the study itself."""
    file = loads(text, "x.toml", overrides)
    start(engine, file, OPTIONS, lambda state: None, say=lambda line: None)


def choose(engine: Engine, *numbers: int, **options: Any) -> AblationJob:
    return choose_ablation(open_study(engine, "x"), *numbers, **options)


def run(engine: Engine, *numbers: int, **options: Any) -> StudyFactorial:
    job = choose(engine, *numbers, **options)
    run_explanation(engine, job, OPTIONS, lambda state: None, say=lambda line: None)
    return load_factorial(engine, job)


def number_of(engine: Engine, **settings: Any) -> int:
    """The first trial with these settings."""
    table = open_study(engine, "x").table()
    return int(table.numbers[table.has(settings)][0])


LOW = {"epochs": 1, "hidden_width": 8, "activation": "relu", "output_activation": "sigmoid"}
HIGH = {"epochs": 4, "hidden_width": 64, "activation": "linear", "output_activation": "linear"}


def ends(engine: Engine) -> tuple[int, int]:
    return number_of(engine, **LOW), number_of(engine, **HIGH)


def test_a_study_of_all_corners_is_explained_without_any_training(
    engine: Engine, workers: Pretended
) -> None:
    train(engine, CORNERS)
    n_before = len(workers.trained)
    found = run(engine, *ends(engine))
    assert found.found.is_whole and len(found.found.cells) == 16
    assert (found.child, found.n_seeds, len(workers.trained)) == (None, 2, n_before)
    assert study_factorial(open_study(engine, "x"), *ends(engine)) == found
    alone = {of.cause.name: of.alone and of.alone.estimate for of in found.found.effects}
    # Pretended errors are 1 / width + 0.1 / epochs.
    expected = {"width": 0.225 / (1 / 64 + 0.1), "number of updates": 0.225 / 0.15}
    others = {"output and loss": 1.0, "activation": 1.0}
    assert alone == pytest.approx({**expected, **others}, rel=1e-4)


def test_only_the_cells_that_lack_are_trained_with_the_seeds_of_the_others(
    engine: Engine, workers: Pretended
) -> None:
    train(engine, CORNERS, "budget.trials=11")
    seeds = {of.seeds for of in workers.trained}
    n_before = len(workers.trained)
    between = cells_between(engine)
    found = run(engine, *between, n_seeds=2)
    new = workers.trained[n_before:]
    known = {in_use(of.config) for of in workers.trained[:n_before]}
    assert found.found.is_whole and found.child == "x-explain"
    assert {of.config for of in new} == {cell.config for cell in found.found.cells} - known
    assert len(new) > 0 and {of.seeds for of in new} == seeds
    assert run(engine, *between, n_seeds=2) == found
    assert len(workers.trained) == n_before + len(new)


def cells_between(engine: Engine) -> tuple[int, int]:
    """Two of the trials that differ in the most causes."""
    rows = open_study(engine, "x").trials()
    configs = {row.number: typed_config(row.config) for row in rows}
    n_causes = {
        (one, other): len(causes_between(configs[one], configs[other]))
        for one, other in product(configs, repeat=2)
    }
    return max(n_causes, key=lambda pair: n_causes[pair])


def test_more_seeds_than_the_study_has_are_trained_for_every_cell(
    engine: Engine, workers: Pretended
) -> None:
    train(engine, CORNERS)
    n_before = len(workers.trained)
    found = run(engine, *ends(engine), n_seeds=3)
    new = workers.trained[n_before:]
    assert (len(new), {len(of.seeds) for of in new}) == (16, {3})
    assert found.found.is_whole and found.n_seeds == 3
    # And fewer take the first of those that are there.
    assert run(engine, *ends(engine), n_seeds=1).found.is_whole
    assert len(workers.trained) == n_before + 16


def test_a_run_that_was_cut_short_goes_on_with_the_same_command(
    engine: Engine, workers: Pretended
) -> None:
    train(engine, CORNERS)
    workers.fails_after = len(workers.trained) + 5
    with pytest.raises(FailureLimitError):
        run(engine, *ends(engine), n_seeds=3)
    workers.fails_after = 10**9
    assert choose(engine).ends.method == AblationMethod.FACTORIAL
    found = run(engine)  # the last one that was begun
    assert (found.n_seeds, found.found.is_whole, found.child) == (3, True, "x-explain")


def test_few_causes_are_a_factorial_unless_a_path_is_asked_for(engine: Engine) -> None:
    train(engine, CORNERS)
    between = ends(engine)
    assert choose(engine, *between).is_factorial
    path = choose(engine, *between, method=AblationMethod.PATH)
    assert (path.is_factorial, path.n_seeds) == (False, 3)
    run_explanation(engine, path, OPTIONS, lambda state: None, say=lambda line: None)
    assert not choose(engine, *between).is_factorial  # what was run last
    assert choose(engine, *between, method=AblationMethod.FACTORIAL).is_factorial
    assert study_explanation(open_study(engine, "x")) is not None
    assert study_factorial(open_study(engine, "x"), *between) is not None


def test_many_causes_are_a_path_and_refused_as_a_factorial(engine: Engine) -> None:
    study_id = add_study(engine, "x", study_file=CORNERS)
    for number, config in enumerate((TrialConfig(), SIX_CAUSES)):
        add_trial(engine, study_id, number, 0.1, config=config)
    assert not choose(engine, 0, 1).is_factorial
    with pytest.raises(UsageError, match="6 causes.*number of updates.*optimizer.*--path"):
        choose(engine, 0, 1, method=AblationMethod.FACTORIAL)


SIX_CAUSES = TrialConfig(
    epochs=9,
    loss=Loss.MSE,
    activation=Activation.ELU,
    learning_rate=0.01,
    optimizer=Optimizer.ADAMW,
    hidden_width=64,
)
FAR = [
    TrialConfig(
        epochs=9,
        batch_size=32,
        output_activation=Output.LINEAR,
        loss=Loss.HUBER,
        huber_delta=0.1,
        lr_schedule=Schedule.LINEAR_WARMUP,
        warmup_epochs=2,
        activation=Activation.ELU,
        beta1=0.8,
    ),
    TrialConfig(loss=Loss.L1, optimizer=Optimizer.SGD, learning_rate=1.0, momentum=0.9),
]


@pytest.mark.parametrize("target", FAR)
@pytest.mark.parametrize("turned", [False, True])
def test_the_space_has_every_cell(target: TrialConfig, turned: bool) -> None:
    between = [TrialConfig(), in_use(target)]
    baseline, target = reversed(between) if turned else between
    explained = Explained(
        study="x",
        study_created_at=EPOCH,
        from_number=0,
        from_baseline=False,
        to_number=1,
        baseline=asdict(baseline),
        target=asdict(target),
        method=AblationMethod.FACTORIAL,
    )
    cells = [cell.config for cell in factorial(baseline, target, {}).cells]
    file = child_file(parent(), explained, "x-explain", 2, cells)
    assert in_use(typed_config(file.baseline.settings)) == baseline
    params = [enqueue_params(file, enqueue_entry(explained, cell)) for cell in cells]
    assert [config_from_params(file, of) for of in params] == [(cell, 3) for cell in cells]
    assert len(file.space.always_searched()) == len(causes_between(baseline, target))


def parent() -> StudyFile:
    return loads(CORNERS, "x.toml")


def test_a_study_that_a_factorial_trains_is_an_ordinary_one(engine: Engine) -> None:
    train(engine, CORNERS)
    run(engine, *ends(engine), n_seeds=3)
    child = open_study(engine, "x-explain")
    assert child.summary().counts["COMPLETE"] == 16
    assert (of := child.explains()) is not None and of.method == AblationMethod.FACTORIAL
    with pytest.raises(UsageError, match="`sweep explain x`"):
        choose_ablation(child)
