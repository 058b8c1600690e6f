"""Every fault that a study may have, planted, found, and repaired."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy import Engine, make_url, text

from sweep.coordinator.run import resume, start
from sweep.errors import StudyHeldError
from sweep.launch.resources import RunOptions
from sweep.store import examine
from sweep.store.checks.types import Fault
from sweep.store.engine import connect, write_transaction
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from sweep.store.schema import sweep_leases
from sweep.studyfile import loads
from tests.support.fake_workers import FakeLauncher
from tests.support.store_factories import add_rows, lease_row

STUDY = """
study.name = "x"
study.seed = 7
space.hidden_width = {choices = [8, 16, 32, 64, 128, 256]}
space.epochs = 3
space.optimizer.choices = ["adam"]
space.optimizer.when.adam.beta1 = {choices = [0.8]}
sampler.name = "random"
budget.trials = 8
"""
ONE = RunOptions(gpus="cpu", cpu_workers=1)
HOUR = 3600.0


def run(engine: Engine) -> None:
    start(
        engine,
        loads(STUDY, "test"),
        ONE,
        lambda progress: None,
        say=lambda line: None,
        launcher=FakeLauncher(),
    )


def go_on(engine: Engine) -> str:
    return resume(
        engine, "x", ONE, lambda progress: None, say=lambda line: None, launcher=FakeLauncher()
    )


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study as a coordinator leaves it: trials, reused ones, weights."""
    folder = tmp_path_factory.mktemp("healthy")
    engine = open_store(f"sqlite:///{folder}/x.db", create=True)
    run(engine)
    engine.dispose()
    return folder


@pytest.fixture
def engine(healthy: Path, tmp_path: Path) -> Engine:
    shutil.copytree(healthy, tmp_path, dirs_exist_ok=True)
    return connect(make_url(f"sqlite:///{tmp_path}/x.db"))


def change(engine: Engine, *statements: str) -> None:
    """Change rows behind everybody's back, foreign keys included."""
    raw = engine.raw_connection()
    if engine.dialect.name == "sqlite":
        raw.cursor().execute("PRAGMA foreign_keys = OFF")
    for statement in statements:
        raw.cursor().execute(statement)
    raw.commit()
    raw.close()
    engine.dispose()


def one(engine: Engine, query: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(query)).scalar_one()


def weights(engine: Engine) -> Path:
    return Path(f"{engine.url.database}.artifacts")


def find_kept(engine: Engine) -> int:
    """A trial that has weights."""
    return int(one(engine, "SELECT min(number) FROM sweep_trials WHERE artifact_id IS NOT NULL"))


def old_file(engine: Engine) -> Path:
    path = weights(engine) / "0123-nobody's"
    path.write_bytes(b"weights")
    os.utime(path, (time.time() - 2 * HOUR,) * 2)
    return path


def lose_weights(engine: Engine) -> None:
    name = one(engine, f"SELECT artifact_id FROM sweep_trials WHERE number = {find_kept(engine)}")
    (weights(engine) / name).unlink()


def expired_lease(engine: Engine) -> None:
    change(engine, "UPDATE sweep_leases SET expires_at = 5.0, host = 'elsewhere'")
    change(engine, "UPDATE sweep_studies SET phase = 'running'")


def numbers_of_reused(engine: Engine) -> set[int]:
    query = "SELECT number FROM sweep_trials WHERE reused_from IS NOT NULL"
    with engine.connect() as connection:
        return set(connection.execute(text(query)).scalars())


def find_reused(engine: Engine) -> int:
    return max(numbers_of_reused(engine))


def sql(*statements: str) -> Callable[[Engine], None]:
    return lambda engine: change(engine, *statements)


OF_1 = "(SELECT trial_id FROM trials WHERE number = 1)"

#: How each fault comes about, and the checks that find it.
FAULTS: dict[str, tuple[Callable[[Engine], object], set[str]]] = {
    "a lease that expired": (expired_lease, {"lease"}),
    "a RUNNING trial without a coordinator": (
        sql(
            "UPDATE trials SET state = 'RUNNING' WHERE number = 1",
            "UPDATE sweep_trials SET outcome = NULL WHERE number = 1",
        ),
        {"running"},
    ),
    "a worker without a coordinator": (
        sql("UPDATE sweep_workers SET state = 'training'"),
        {"worker"},
    ),
    "a gap in the numbers": (
        sql(
            "UPDATE trials SET number = 8 WHERE number = 1",
            "UPDATE sweep_trials SET number = 8 WHERE number = 1",
            "DELETE FROM sweep_trials WHERE reused_from = 1",
        ),
        {"number", "record"},
    ),
    "a number twice": (
        sql("INSERT INTO trials (number, study_id, state) VALUES (1, 1, 'WAITING')"),
        {"number", "record"},
    ),
    "a row of ours that is missing": (
        sql("DELETE FROM sweep_trials WHERE number = 1"),
        {"record"},
    ),
    "a row of ours with another number": (
        sql("UPDATE sweep_trials SET number = 99 WHERE number = 1"),
        {"record"},
    ),
    "a row of ours without a trial": (
        sql(
            "INSERT INTO sweep_trials (trial_id, study_id, number, attempt, config, seeds, invalid)"
            " VALUES (77, 1, 77, 1, '{}', '[]', false)",
            "INSERT INTO sweep_epochs (trial_id, seed_index, epoch) VALUES (77, 0, 1)",
        ),
        {"record"},
    ),
    "an outcome that contradicts the state": (
        sql("UPDATE sweep_trials SET outcome = 'failed' WHERE number = 1"),
        {"record"},
    ),
    "an epoch that is missing": (
        sql(f"DELETE FROM sweep_epochs WHERE epoch = 2 AND trial_id = {OF_1}"),
        {"record"},
    ),
    "a test result that is missing": (
        sql(f"DELETE FROM sweep_results WHERE trial_id = {OF_1}"),
        {"record"},
    ),
    "an intermediate value that is missing": (
        sql(f"DELETE FROM trial_intermediate_values WHERE step = 2 AND trial_id = {OF_1}"),
        {"record"},
    ),
    "an intermediate value that is another": (
        sql(
            "UPDATE trial_intermediate_values SET intermediate_value = 0.5"
            f" WHERE step = 2 AND trial_id = {OF_1}"
        ),
        {"record"},
    ),
    "a value that is another": (
        sql(f"UPDATE trial_values SET value = 0.5 WHERE trial_id = {OF_1}"),
        {"record"},
    ),
    "a value that is missing": (
        sql(f"DELETE FROM trial_values WHERE trial_id = {OF_1}"),
        {"record"},
    ),
    "a metric that is another": (
        sql(f"UPDATE sweep_trials SET val_mse = 0.5 WHERE trial_id = {OF_1}"),
        {"record"},
    ),
    "a mean over the seeds that is another": (
        sql(f"UPDATE sweep_trials SET test_mse = 0.5 WHERE trial_id = {OF_1}"),
        {"record"},
    ),
    "an intermediate value of no epoch": (
        sql(
            "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value,"
            f" intermediate_value_type) VALUES ({OF_1}, 9, 0.5, 'FINITE')"
        ),
        {"record"},
    ),
    "a result that Optuna calls failed": (
        sql("UPDATE trials SET state = 'FAIL' WHERE number = 1"),
        {"record"},
    ),
    "a failed trial that Optuna calls complete": (
        sql(
            "UPDATE sweep_trials SET outcome = 'failed' WHERE number = 1",
            f"DELETE FROM sweep_results WHERE trial_id = {OF_1}",
        ),
        {"record"},
    ),
    "a parameter that is another": (
        sql(
            "UPDATE trial_params SET param_value = 1 - min(param_value, 1)"
            f" WHERE param_name = 'hidden_width' AND trial_id = {OF_1}"
        ),
        {"record"},
    ),
    "parameters that are missing": (
        sql(f"DELETE FROM trial_params WHERE trial_id = {OF_1}"),
        {"record"},
    ),
    "a parameter that is missing of a trial without an epoch": (
        sql(
            f"DELETE FROM trial_params WHERE param_name = 'adam.beta1' AND trial_id = {OF_1}",
            f"DELETE FROM sweep_epochs WHERE epoch = 2 AND trial_id = {OF_1}",
        ),
        {"record"},
    ),
    "weights that are gone": (lose_weights, {"weights"}),
    "weights of no trial": (old_file, {"file"}),
}


def checks(found: list[Fault]) -> set[str]:
    return {finding.check for finding in found}


def test_a_study_as_a_coordinator_leaves_it_has_no_faults(engine: Engine) -> None:
    assert examine.examine(engine, "x") == []
    assert find_reused(engine) > 1  # so that the check of reused values has something to look at


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_mended_and_the_study_goes_on(engine: Engine, fault: str) -> None:
    plant, expected = FAULTS[fault]
    plant(engine)
    borrowers = numbers_of_reused(engine)
    found = examine.examine(engine, "x")
    # What is reused from trial 1 may be found too.
    assert expected == checks([f for f in found if f.number not in borrowers] or found)
    assert all(finding.what and finding.remedy for finding in found)
    repaired, left = examine.repair(engine, "x")
    assert left == []
    assert expected <= checks(repaired)
    assert examine.examine(engine, "x") == []
    assert go_on(engine) == "finished"
    assert examine.examine(engine, "x") == []
    assert TrialState.RUNNING not in states(engine) and TrialState.WAITING not in states(engine)


def trials_of(engine: Engine) -> list[optuna.trial.FrozenTrial]:
    storage = f"sqlite:///{engine.url.database}"
    return optuna.load_study(study_name="x", storage=storage).trials


def states(engine: Engine) -> list[TrialState]:
    return [trial.state for trial in trials_of(engine)]


def params(engine: Engine) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(trial.params, trial.distributions) for trial in trials_of(engine)]


def test_a_trial_that_is_trained_again_comes_to_the_same(engine: Engine) -> None:
    before = open_study(engine, "x").trial(1)
    change(engine, f"DELETE FROM sweep_epochs WHERE trial_id = {OF_1}")
    examine.repair(engine, "x")
    assert open_study(engine, "x").trial(1).state == "WAITING"
    go_on(engine)
    after = open_study(engine, "x").trial(1)
    assert (after.values, after.seeds, after.attempt) == (before.values, before.seeds, 2)


def test_a_reused_value_is_taken_from_its_twin_again(engine: Engine) -> None:
    number = find_reused(engine)
    value = open_study(engine, "x").trial(number).value
    change(
        engine,
        "UPDATE trial_values SET value = 0.5 WHERE trial_id ="
        f" (SELECT trial_id FROM trials WHERE number = {number})",
    )
    assert [(f.check, f.number) for f in examine.examine(engine, "x")] == [("record", number)]
    examine.repair(engine, "x")
    assert open_study(engine, "x").trial(number).value == value


def test_missing_parameters_are_those_of_the_configuration_again(engine: Engine) -> None:
    before = params(engine)
    change(engine, "DELETE FROM trial_params")
    examine.repair(engine, "x")
    assert params(engine) == before
    assert {*before[1][0]} == {"hidden_width", "optimizer", "adam.beta1"}


def test_a_configuration_outside_of_the_search_space_is_a_finding(engine: Engine) -> None:
    change(
        engine,
        "UPDATE sweep_trials SET config = json_set(config, '$.hidden_width', 9) WHERE number = 1",
    )
    repaired, left = examine.repair(engine, "x")
    assert repaired == [] and [(f.number, f.repairable) for f in left] == [(1, False)]
    assert "hidden_width 9" in left[0].what and "not a choice" in left[0].what


def test_a_study_file_that_cannot_be_read_is_a_finding(engine: Engine) -> None:
    change(engine, "UPDATE sweep_studies SET study_file = replace(study_file, 'epochs', 'epoch')")
    (found,) = examine.examine(engine, "x")
    assert (found.check, found.repairable) == ("study file", False)
    assert "space.epoch" in found.what


def test_repair_is_a_revision_and_an_event_and_names_what_it_touched(engine: Engine) -> None:
    change(engine, "UPDATE sweep_trials SET outcome = 'failed' WHERE number = 1")
    before = open_study(engine, "x").table().revision
    examine.repair(engine, "x")
    assert open_study(engine, "x").table().revision == before + 1
    assert one(engine, "SELECT revision FROM sweep_trials WHERE number = 1") == before + 1
    (event,) = open_study(engine, "x").events(newest=1)
    assert (event.kind, event.message) == ("repaired", "by sweep doctor: record 1")


def test_a_study_that_is_held_is_not_repaired_and_says_who_holds_it(engine: Engine) -> None:
    change(engine, "DELETE FROM sweep_leases", "UPDATE sweep_trials SET outcome = NULL")
    add_rows(engine, sweep_leases, lease_row(1, time.time() + 60))
    with pytest.raises(StudyHeldError, match="process 4711 on elsewhere"):
        examine.repair(engine, "x")
    assert one(engine, "SELECT count(*) FROM sweep_trials WHERE outcome IS NULL") == 8


def test_what_a_live_coordinator_has_yet_to_do_is_no_fault(engine: Engine) -> None:
    FAULTS["a RUNNING trial without a coordinator"][0](engine)
    change(engine, "DELETE FROM sweep_leases", "UPDATE sweep_workers SET state = 'training'")
    add_rows(engine, sweep_leases, lease_row(1, time.time() + 60))
    assert {f.number for f in examine.examine(engine, "x")} <= numbers_of_reused(engine)


def test_weights_in_a_folder_that_is_elsewhere_are_not_forgotten(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SWEEP_ARTIFACTS", str(tmp_path / "not mounted"))
    _, left = examine.repair(engine, "x")
    assert [(f.check, f.repairable) for f in left] == [("weights", False)]
    assert open_study(engine, "x").trial(find_kept(engine)).artifact_id is not None


def test_a_file_of_no_trial_is_set_aside_and_a_young_one_left(engine: Engine) -> None:
    old, young = old_file(engine), weights(engine) / "just written"
    young.write_bytes(b"weights")
    examine.repair(engine, "x")
    assert (weights(engine) / "unreferenced" / old.name).read_bytes() == b"weights"
    assert young.exists() and not old.exists()


def test_all_faults_at_once_are_mended_in_postgres(
    postgres_store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # weights go where the coordinator runs
    engine = open_store(postgres_store_url)
    run(engine)
    with write_transaction(engine) as connection:
        for statement in (
            "UPDATE trials SET number = 9 WHERE number = 2",
            "UPDATE sweep_trials SET number = 9 WHERE number = 2",
            "UPDATE trials SET state = 'RUNNING' WHERE number = 1",
            "DELETE FROM sweep_epochs WHERE epoch = 2 AND trial_id IN"
            " (SELECT trial_id FROM trials WHERE number = 0)",
            "UPDATE trial_values SET value = 0.5",
            "UPDATE sweep_leases SET expires_at = 5",
            "UPDATE sweep_workers SET state = 'ready'",
            "DELETE FROM sweep_results",
            "DELETE FROM trial_intermediate_values",
            "INSERT INTO trials (number, study_id, state) VALUES (3, 1, 'COMPLETE')",
        ):
            connection.execute(text(statement))
    found = checks(examine.examine(engine, "x"))
    assert {"lease", "running", "worker", "number", "record"} <= found
    repaired, left = examine.repair(engine, "x")
    assert left == []
    assert len(repaired) > 10
    assert go_on(engine) == "finished"
    assert examine.examine(engine, "x") == []
