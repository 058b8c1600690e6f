"""status."""

import time

import pytest

from sweep.cli import status
from sweep.enums import CommandKind
from sweep.findings import budgets
from sweep.findings.progress import study_status
from sweep.store import commands
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.schema import sweep_events, sweep_leases, sweep_workers
from sweep.studyfile.sections import BudgetSection
from tests.support.cli_runner import Cli
from tests.support.statements import count_statements
from tests.support.store_factories import EPOCH, add_rows, add_study, add_trial, lease_row

WORKER = {
    "name": "w0",
    "host": "elsewhere",
    "pid": 12,
    "device": "0",
    "device_name": "a GPU",
    "state": "training",
    "n_finished": 3,
    "started_at": EPOCH,
    "seen_at": EPOCH,
}


def test_status_says_how_far_a_study_is(cli: Cli, study: int) -> None:
    out = cli("status", "study").out
    assert "Done 4 of 20 trials" in " ".join(out.split())
    assert "2 complete, 1 pruned, 1 diverged, 1 waiting" in out
    assert "Best 0.0100 validation error, trial 1" in " ".join(out.split())


def test_status_shows_workers_and_who_coordinates(cli: Cli, store: Engine) -> None:
    study_id = add_study(store, phase="running")
    add_rows(store, sweep_leases, lease_row(study_id, expires_at=time.time() + 60))
    vitals = {"busy": 0.5, "busy_since_first": 0.875, "n_training": 37, "slots": 64}
    vitals |= {"utilisation": 0.5, "utilisation_since_first": 0.625}
    vitals |= {"memory_used_bytes": 3 * 2**30, "memory_total_bytes": 80 * 2**30}
    add_rows(store, sweep_workers, {"study_id": study_id, **WORKER, **vitals})
    out = cli("status", "study").out
    assert "process 4711 on elsewhere" in out
    said = " ".join(out.split())
    assert "w0 training elsewhere GPU 0 50 % 50 % 3.0 of 80 GiB 37 of 64 3 " in said
    assert "pid 12 a GPU mean 88 % mean 62 %" in said


def test_status_says_what_trains_and_why_it_is_not_the_fused_trainer(
    cli: Cli, store: Engine
) -> None:
    study_id = add_study(store, phase="running")
    add_rows(store, sweep_leases, lease_row(study_id, expires_at=time.time() + 60))
    reason = "other numbers than the reference trainer\n  ieee: val_mse differs by 1.0e-02"
    fallback = {"study_id": study_id, **WORKER, "trainer": "reference", "fallback_reason": reason}
    fused = {**fallback, "name": "w1", "device": "1", "trainer": "fused", "fallback_reason": None}
    add_rows(store, sweep_workers, fallback, fused)
    out = " ".join(cli("status", "study").out.split())
    assert "trainer reference (3 trials), fused (3 trials)" in out
    assert "WARNING w0 without the fused trainer: other numbers than the reference trainer" in out
    assert "GPU 0 reference, not fused" in out
    workers = cli("status", "study", "--json").json["workers"]
    assert [worker["trainer"] for worker in workers] == ["reference", "fused"]
    assert workers[0]["fallback_reason"] == reason


def test_a_worker_that_is_gone_uses_no_memory(cli: Cli, store: Engine) -> None:
    study_id = add_study(store, phase="running")
    add_rows(store, sweep_leases, lease_row(study_id, expires_at=time.time() + 60))
    vitals = {"busy_since_first": 0.875, "utilisation_since_first": 0.625}
    vitals |= {"memory_used_bytes": 3 * 2**30, "memory_total_bytes": 80 * 2**30}
    gone = {"study_id": study_id, **WORKER, **vitals, "state": "gone"}
    add_rows(store, sweep_workers, gone)
    said = " ".join(cli("status", "study").out.split())
    assert "w0 gone elsewhere GPU 0 mean 88 % mean 62 % 3 " in said


def test_status_shows_what_waits_for_a_coordinator(cli: Cli, store: Engine, study: int) -> None:
    commands.post(store, "study", CommandKind.ENQUEUE, {"configuration": {"hidden_width": 64}})
    commands.post(store, "study", CommandKind.EXTEND, {"n_trials": 50})
    out = cli("status", "study").out
    assert "hidden_width=64" in out
    assert "n_trials=50" in out
    waiting = cli("status", "study", "--json").json["commands"]
    assert [command["kind"] for command in waiting] == ["enqueue", "extend"]


def test_status_shows_the_last_events(cli: Cli, store: Engine, study: int) -> None:
    rows = [
        {"study_id": study, "at": EPOCH, "kind": "worker gone", "message": f"event {n}"}
        for n in range(12)
    ]
    add_rows(store, sweep_events, *rows)
    out = cli("status", "study").out
    assert "event 11" in out
    assert "event 2" not in out


def test_watching_ends_when_nothing_runs(cli: Cli, study: int) -> None:
    assert cli("status", "study", "--watch").code == 0


def test_watching_is_not_for_programs(cli: Cli, study: int) -> None:
    assert cli("status", "study", "--watch", "--json").code == 2


def test_status_shows_every_budget_and_what_is_left_of_it(cli: Cli, store: Engine) -> None:
    budget = {"trials": 20, "max_seconds": 60.0, "target_value": 0.01, "max_trial_seconds": 5.0}
    plateau = {"plateau_trials": 1, "plateau_improvement": 0.001}
    study_id = add_study(store, settings={"budget": {**budget, **plateau}})
    for number, value in enumerate((0.5, 0.25)):
        add_trial(store, study_id, number, value)
    held = {"held_seconds": 45.0, "expires_at": 0.0}
    add_rows(store, sweep_leases, {**lease_row(study_id, 0.0), **held})
    lines = [" ".join(line.split()) for line in cli("status", "study").out.splitlines()]
    assert "trials 2 of 20, 18 left" in lines
    assert "max_seconds 45 s of 1 min 00 s, 15 s left" in lines
    assert "target_value 0.01 (best 0.2500)" in lines
    assert "plateau_improvement 0.001 (lately: 0.250)" in lines
    assert "max_trial_seconds 5 s a trial" in lines
    assert cli("status", "study", "--json").json["budget"]["max_seconds"]["left"] == 15.0


def test_status_says_why_a_study_ended_and_what_was_reused(cli: Cli, store: Engine) -> None:
    study_id = add_study(store, ended_because="target reached: trial 0 has 0.01")
    add_trial(store, study_id, 0, 0.01)
    add_trial(store, study_id, 1, 0.01, outcome="reused", reused_from=0)
    out = cli("status", "study").out
    said = study_status(open_study(store, "study").summary()).detail
    assert said == "Target reached: trial 0 has 0.01."
    assert said in out
    assert "1 complete, 1 reused" in out
    assert "complete, reused" in cli("show", "study", 1).out
    assert cli("show", "study", 1, "--json").json["reused_from"] == 0


def test_every_budget_but_those_of_trials_is_a_limit() -> None:
    plateau = {"plateau_trials": 10, "plateau_improvement": 1e-4}
    for field in {*BudgetSection.model_fields} - {"trials", "max_failures", "max_away_seconds"}:
        budget = BudgetSection(**(plateau if field in plateau else {field: 1.0}))
        assert len(budgets.limits(budget)) == 1, field


@pytest.mark.parametrize("n_trials", [1, 40])
def test_status_reads_with_the_same_few_statements_however_many_trials(
    store: Engine, n_trials: int
) -> None:
    study_id = add_study(store, "study")
    add_rows(store, sweep_workers, {"study_id": study_id, **WORKER})
    for number in range(n_trials):
        add_trial(store, study_id, number, 0.1)
    with count_statements(store) as statements:
        status._show_status(open_study(store, "study"))
    assert len(statements) == 17
    assert [statement.looks_up("study") for statement in statements].count(True) == 1
