"""Our records, projected onto Optuna's rows: what a resume goes on from is what Optuna reads."""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from sqlalchemy import text

from sweep.store.engine import Engine, write_transaction
from sweep.store.examine import examine
from sweep.store.study import hold_study
from tests.support.coordinator_runs import SAME, STUDY, TWO, die_at, diverge_at, run, study_file
from tests.support.fake_workers import FakeLauncher
from tests.support.store_factories import sqlite_store
from tests.support.written_storage import describe

CONDITIONAL = (
    STUDY
    + """
[space.optimizer]
choices = ["adam", "sgd"]
when.adam.beta1 = {low = 0.8, high = 0.95}
when.sgd.learning_rate = {choices = [1, 0.1]}
"""
)

STUDIES: dict[str, Callable[[Engine], object]] = {
    "one seed": lambda engine: run(engine),
    "several seeds": lambda engine: run(engine, file=study_file(STUDY, "study.repeat=3")),
    "several objectives, reused results": lambda engine: run(
        engine,
        file=study_file(TWO, SAME, "study.objectives=['val_mse', 'train_seconds', 'hidden_width']"),
    ),
    "pruned trials": lambda engine: run(
        engine,
        file=study_file(STUDY + "pruner.name = 'median'\n", "space.epochs=30", "study.repeat=2"),
    ),
    "trials over their time": lambda engine: run(
        engine, file=study_file(STUDY, "budget.max_trial_seconds=0.000001")
    ),
    "diverged trials": lambda engine: run(
        engine, FakeLauncher(diverge_at(2)), study_file(STUDY, "budget.trials=2")
    ),
    "a failed trial": lambda engine: run(engine, FakeLauncher(die_at(1, times=9))),
    "a space with conditions": lambda engine: run(engine, file=study_file(CONDITIONAL)),
}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


def in_optuna(engine: Engine) -> optuna.Study:
    return optuna.load_study(study_name="x", storage=str(engine.url))


@pytest.mark.parametrize("kind", STUDIES)
def test_a_resume_goes_on_from_what_optuna_reads(engine: Engine, kind: str) -> None:
    STUDIES[kind](engine)
    assert examine(engine, "x") == []
    rows = in_optuna(engine).trials
    assert len(rows) > 1
    assert describe(hold_study(engine, "x").storage.own_trials()) == describe(rows)


def test_a_resume_does_not_read_what_was_projected(engine: Engine) -> None:
    run(engine)
    before = describe(hold_study(engine, "x").storage.own_trials())
    with write_transaction(engine) as connection:
        connection.execute(text("UPDATE sweep_leases SET expires_at = 0"))
        connection.execute(text("DELETE FROM trial_values"))
        connection.execute(text("UPDATE trial_intermediate_values SET intermediate_value = 9"))
        connection.execute(text("UPDATE trials SET state = 'FAIL'"))
    assert describe(hold_study(engine, "x").storage.own_trials()) == before


def test_a_trial_that_plain_optuna_added_is_as_its_rows_say(engine: Engine) -> None:
    run(engine)
    added = create_trial(value=0.25, intermediate_values={1: 0.5, 2: float("nan")})
    in_optuna(engine).add_trial(added)
    trial = hold_study(engine, "x").storage.own_trials()[-1]
    assert (trial.state, trial.values) == (TrialState.COMPLETE, [0.25])
    assert describe([trial]) == describe(in_optuna(engine).trials[-1:])
