"""start, resume, pause, stop and enqueue; and what goes wrong before anything runs."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from sweep.analysis.verdict import baseline_number
from sweep.cli import control
from sweep.cli.dry_run import about
from sweep.cli.progress import MovingLine, PlainLines, line, view_of
from sweep.cli.progress import progress as shown_progress
from sweep.cli.study_view import render
from sweep.config import DEFAULT_BASELINE
from sweep.coordinator.progress import Progress, WorkerProgress
from sweep.errors import FailureLimitError
from sweep.findings.decision import gather_decision
from sweep.findings.dialects import in_ascii
from sweep.findings.progress import only_trainer
from sweep.launch import resources
from sweep.launch.process import WorkerProcess
from sweep.store import commands
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.lease import Holder
from sweep.store.migrate import open_store
from sweep.store.schema import sweep_leases
from sweep.studyfile import load
from tests.support.cli_runner import Cli, interrupted_at_once
from tests.support.fake_nvml import fake_nvml
from tests.support.fake_workers import FakeLauncher, pretend_local_workers
from tests.support.store_factories import add_rows, add_study, lease_row

STUDY = """
[study]
name = "x"
[space]
hidden_width = {low = 8, high = 64, log = true}
epochs = 2
[budget]
trials = 6
"""


#: It has one configuration.
FIXED = STUDY.replace("{low = 8, high = 64, log = true}", "8")


@pytest.fixture(autouse=True)
def _pretended_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_local_workers(monkeypatch)


@pytest.fixture
def file() -> str:
    Path("x.toml").write_text(STUDY)
    return "x.toml"


def test_start_runs_a_study_and_ends_with_the_best_configurations(cli: Cli, file: str) -> None:
    answer = cli("start", file, "--gpus", "cpu")
    assert answer.code == 0
    best, decided = answer.out.split("\n\n", 1)
    common, header, *rows = best.splitlines()
    assert common.startswith("All of these: ") and header.startswith("trial  val_mse")
    assert len(rows) == 5
    study = open_study(open_store(), "x")
    decision = gather_decision(study, study.summary(), study.table(), None, None)
    assert decision is not None and decided.startswith(in_ascii(decision.sentence))
    assert "finished: all 6 trials are done (budget.trials). 6 trials: 6 complete." in answer.err
    assert "sweep report x" in answer.err


@pytest.mark.parametrize("command", [("start", "x.toml", "--resume"), ("stop", "x")])
def test_after_a_command_the_database_is_one_file(
    cli: Cli, file: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    # SQLite keeps rows in sweep.db-wal until the last connection is closed.
    cli("start", file, "--gpus", "cpu")
    cli(*command)
    lone = tmp_path / "lone.db"
    lone.write_bytes(Path("sweep.db").read_bytes())
    listed = cli("list", "--storage", f"sqlite:///{lone}", "--json")
    assert listed.json[0]["states"]["COMPLETE"] == 6
    assert not Path("sweep.db-wal").exists()


def test_a_study_that_has_trained_all_of_its_space_blames_no_budget(cli: Cli, file: str) -> None:
    Path(file).write_text(FIXED)
    answer = cli("start", file, "--gpus", "cpu")
    assert "no more trials begin: its one configuration is trained (study.dup" in answer.err
    assert "a budget is used up" not in answer.err
    assert " left\n" not in answer.err, "five trials of the budget are not awaited"


def test_set_and_name_change_the_file_for_this_run(cli: Cli, file: str) -> None:
    cli("start", file, "--gpus", "cpu", "--name", "1984", "--set", "budget.trials=2")
    (study,) = cli("list", "--json").json
    assert (study["study_name"], study["states"]["COMPLETE"]) == ("1984", 2)


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ("{ hidden_width = 8 }", "baseline    hidden_width 8"),
        ("1", "baseline    trial 1"),
    ],
)
def test_a_dry_run_shows_the_baseline(cli: Cli, file: str, baseline: str, said: str) -> None:
    answer = cli("start", file, "--gpus", "cpu", "--dry-run", f"--set=study.baseline={baseline}")
    assert said in answer.out


def test_a_dry_run_says_where_the_question_is_not_in_the_space(cli: Cli, file: str) -> None:
    changed = "--set=space.epochs=2"
    answer = cli("start", file, "--gpus", "cpu", "--dry-run", changed)
    assert "baseline    the question's configuration, which this space does not have" in answer.out


def test_a_baseline_that_no_trial_will_be_is_refused_before_anything_starts(
    cli: Cli, file: str
) -> None:
    for dry in ((), ("--dry-run",)):
        answer = cli("start", file, "--gpus", "cpu", "--set=study.baseline=999", *dry)
        assert answer.code == 4
        assert "study.baseline: there is no trial 999 among" in answer.err


def test_a_dry_run_shows_what_would_run_and_writes_nothing(cli: Cli, file: str) -> None:
    answer = cli("start", file, "--gpus", "cpu", "--dry-run")
    assert answer.code == 0
    assert "hidden_width" in answer.out and "8 to 64" in answer.out
    assert not Path("sweep.db").exists()


def test_a_dry_run_shows_no_setting_that_a_configuration_does_not_use(cli: Cli, file: str) -> None:
    Path(file).write_text(
        f"{STUDY}[space.optimizer]\nchoices = ['adam', 'sgd']\n"
        "when.sgd.momentum = {low = 0.5, high = 0.9}\n"
    )
    out = cli("start", file, "--gpus", "cpu", "--dry-run", "--set=space.epochs=5").out
    _, *rows = out.split("First 5 configurations\n")[1].split("\n\n")[0].splitlines()
    momenta = {row.split()[1]: row.split()[-1] for row in rows}
    assert momenta["adam"] == "-" and 0.5 <= float(momenta["sgd"]) <= 0.9


def test_a_dry_run_says_what_is_trained_on_and_how_long_it_takes(cli: Cli, file: str) -> None:
    answer = cli("start", file, "--gpus", "cpu", "--dry-run", "--set=data.train_limit=1000")
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    data = "data fashion-mnist-mini, first 1,000 of 6,000 images of 28 x 28, 1,000 for tests"
    assert any(line.startswith(data) for line in lines)
    # Pretended trials take half a second each, of which an epoch is all.
    assert re.fullmatch(r"time about \d+ s on this CPU", lines[-2])
    assert re.fullmatch(r"an epoch by hidden width: \d+: 0.5 s, \d+: 0.5 s, \d+: 0.5 s", lines[-1])


def test_a_dry_run_of_a_limited_study_gives_the_longest_time(cli: Cli, file: str) -> None:
    answer = cli("start", file, "--gpus", "cpu", "--dry-run", "--set=pruner.name=median")
    assert "time  at most " in answer.out


def test_a_dry_run_says_that_the_name_is_taken(cli: Cli, file: str) -> None:
    cli("start", file, "--gpus", "cpu")
    answer = cli("start", file, "--gpus", "cpu", "--dry-run")
    assert answer.code == 0
    assert "x already exists, 6 trials have finished: start would fail." in answer.out
    assert "`sweep resume x --trials N`, with N above 6, trains more; --name OTHER" in answer.out


def test_a_resume_can_be_tried_dry(cli: Cli, file: str) -> None:
    cli("start", file, "--gpus", "cpu")
    answer = cli("resume", "x", "--trials", 9, "--gpus", "cpu", "--dry-run")
    assert "x 6 of 9 trials have finished" in answer.out
    assert "time  about" in answer.out
    assert cli("list", "--json").json[0]["n_trials"] == 6
    refused = cli("resume", "x", "--dry-run", "--set", "space.epochs=3")
    assert refused.code == 4 and "space.epochs" in refused.err


def test_a_dry_start_that_resumes_shows_what_is_left(cli: Cli, file: str) -> None:
    dry = ("start", file, "--gpus", "cpu", "--resume", "--dry-run")
    assert "First 5 configurations" in cli(*dry).out, "there is no study yet"
    cli("start", file, "--gpus", "cpu")
    answer = cli(*dry)
    assert "x 6 of 6 trials have finished" in answer.out
    assert "time  not estimated: no trial is left to train" in answer.out
    assert "configurations" not in answer.out
    assert "6 of 9 trials have finished" in cli(*dry, "--set", "budget.trials=9").out


def test_a_dry_run_refuses_a_webhook_as_the_run_does(cli: Cli, file: str) -> None:
    cli("start", file, "--gpus", "cpu")
    for command in (("start", file), ("resume", "x")):
        answer = cli(*command, "--gpus", "cpu", "--dry-run", "--webhook", "notaurl")
        assert (answer.code, answer.out) == (2, "") and "the webhook's URL" in answer.err


@pytest.mark.parametrize(
    ("used", "utilisation", "said"),
    [
        (3 * 10**8, 0, "1 on GPU 0 (free), 1 on GPU 1, "),
        (61 * 2**30, 97, "1 on GPU 0 (others use 61 of 75 GiB, 97.0 % busy), 1 on GPU 1, "),
    ],
)
def test_a_dry_run_says_which_cards_others_use(
    cli: Cli, file: str, monkeypatch: pytest.MonkeyPatch, used: int, utilisation: int, said: str
) -> None:
    nvml = fake_nvml(1)  # the second card is unknown to the driver's library
    nvml.nvmlDeviceGetMemoryInfo = lambda _: SimpleNamespace(used=used, total=80 * 10**9)
    nvml.nvmlDeviceGetUtilizationRates = lambda _: SimpleNamespace(gpu=utilisation)
    monkeypatch.setattr("sweep.nvml._open", lambda: nvml)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert said in cli("start", file, "--gpus", "all", "--dry-run").out


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.3, "1 s"), (43.7, "44 s"), (130, "2 min"), (5990, "100 min"), (8000, "2.2 h")],
)
def test_an_estimate_is_rounded(seconds: float, said: str) -> None:
    assert about(seconds) == said


DEEP = ("--set", "space.hidden_layers={ low = 0, high = 2 }")


def test_a_study_that_one_trainer_can_train_says_so_beforehand_and_later(
    cli: Cli, file: str
) -> None:
    why = only_trainer(load(Path(file), DEEP[1:]).space)
    assert why == "hidden_layers may be 1 or 2, which no other trainer can train"
    plan = cli("start", file, "--gpus", "cpu", "--dry-run", *DEEP).out
    assert f"reference trainer: {why}" in plan
    assert cli("start", file, "--gpus", "cpu", *DEEP).code == 0
    status = cli("status", "x").out
    assert f"reference (6 trials): {why}" in status and "WARNING" not in status


def test_a_trainer_that_cannot_train_the_study_is_refused(cli: Cli, file: str) -> None:
    answer = cli("start", file, "--gpus", "cpu", "--trainer", "cpu", *DEEP)
    assert answer.code == 2
    assert "hidden_layers may be 1 or 2" in answer.err and "Leave --trainer out" in answer.err
    assert not cli("list", "--json").json


def test_a_taken_name_leads_to_resume(cli: Cli, file: str) -> None:
    cli("start", file, "--gpus", "cpu")
    again = cli("start", file, "--gpus", "cpu")
    assert again.code == 2
    assert "`sweep resume x --trials N`, with N above 6, trains more; `--name OTHER`" in again.err
    assert cli("start", file, "--gpus", "cpu", "--resume").code == 0


def test_resume_adds_trials(cli: Cli, file: str) -> None:
    cli("start", file, "--gpus", "cpu")
    assert cli("resume", "x", "--trials", 8).code == 0
    assert cli("list", "--json").json[0]["states"]["COMPLETE"] == 8


@pytest.mark.parametrize("command", [("start", "x.toml", "--resume"), ("resume", "x")])
def test_the_workers_of_a_run_load_torch_together(
    cli: Cli, file: str, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    cli("start", file, "--gpus", "cpu")
    started: list[Sequence[str]] = []

    def start(devices: Sequence[str], **_: bool) -> list[WorkerProcess]:
        started.append(devices)
        return []

    monkeypatch.setattr(resources, "start_processes", start)
    assert cli(*command, "--gpus", "cpu", "--workers", 2).code == 0
    assert started == [["cpu", "cpu"]]


def test_resume_changes_the_baseline_of_a_finished_study(
    cli: Cli, file: str, store: Engine
) -> None:
    cli("start", file, "--gpus", "cpu")
    study = open_study(store, "x")
    assert study.table().baseline == DEFAULT_BASELINE
    answer = cli("resume", "x", "--gpus", "cpu", "--set", "study.baseline=2")
    assert answer.code == 0 and "changes of its file: study.baseline.\n" in answer.err
    assert baseline_number(study.table()) == 2
    refused = cli("resume", "x", "--gpus", "cpu", "--set", "study.baseline=6")
    assert refused.code == 4 and "there is no trial 6 among 6" in refused.err
    assert baseline_number(study.table()) == 2


def test_a_trial_beyond_the_files_budget_may_become_the_baseline(cli: Cli, file: str) -> None:
    cli("start", file, "--gpus", "cpu")
    cli("resume", "x", "--gpus", "cpu", "--trials", 8)
    assert cli("resume", "x", "--gpus", "cpu", "--set", "study.baseline=7").code == 0


def test_resume_with_a_changed_file_says_which_change_cannot_be(cli: Cli, file: str) -> None:
    cli("start", file, "--gpus", "cpu")
    Path(file).write_text(STUDY.replace("high = 64", "high = 32"))
    answer = cli("resume", "x", "--file", file)
    assert answer.code == 4 and "hidden_width" in answer.err
    assert "changes of its file: space.\n" in answer.err


def test_an_interrupted_study_is_code_130_and_says_how_to_go_on(
    cli: Cli, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with interrupted_at_once(monkeypatch):
        answer = cli("start", file, "--gpus", "cpu")
    assert answer.code == 130
    assert "sweep resume x" in answer.err


def test_the_failure_limit_is_code_6(cli: Cli, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("boom")

    pretend_local_workers(monkeypatch, lambda: FakeLauncher(fail))
    answer = cli(
        "start", file, "--gpus", "cpu", "--workers", 1, "--set", "budget.max_failures=1"
    )  # of two workers, either's trial may fail first
    assert answer.code == FailureLimitError.exit_code == 6
    assert "budget.max_failures" in answer.err
    assert "RuntimeError: boom" in cli("show", "x", 0).out


def test_a_study_with_failures_says_why_its_trials_failed(
    cli: Cli, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("boom")

    pretend_local_workers(monkeypatch, lambda: FakeLauncher(fail))
    answer = cli("start", file, "--gpus", "cpu", "--workers", 1)
    assert answer.code == 0 and "6 trials: 6 failed." in answer.err
    assert re.search(r"boom +6 +0, 1, 2, 3, 4, 5", answer.out)


def test_a_study_that_another_coordinator_holds_is_code_7(cli: Cli, store: Engine) -> None:
    study_id = add_study(store, "x", study_file=STUDY, phase="running")
    add_rows(store, sweep_leases, lease_row(study_id, expires_at=4e9))
    answer = cli("resume", "x")
    assert answer.code == 7
    assert "process 4711 on elsewhere" in answer.err


@pytest.mark.parametrize(
    "option",
    [("--gpus", "7"), ("--set", "space.epochs=3"), ("--set", "space.epochs=3", "--resume")],
)
def test_start_of_a_study_that_runs_says_so_before_what_else_is_wrong(
    cli: Cli, store: Engine, file: str, option: tuple[str, ...]
) -> None:
    study_id = add_study(store, "x", study_file=STUDY, phase="running")
    add_rows(store, sweep_leases, lease_row(study_id, expires_at=4e9))
    answer = cli("start", file, "--gpus", "cpu", *option)
    assert answer.code == 7
    assert answer.err == (
        "sweep: study 'x' runs already: process 4711 on elsewhere. `sweep status x` shows it.\n"
    )


@pytest.mark.parametrize("gpus", ["-1", "²", "gpu", "9" * 5000, ","])
def test_a_gpu_that_is_no_number_is_code_2(cli: Cli, file: str, gpus: str) -> None:
    assert cli("start", file, f"--gpus={gpus}", "--dry-run").code == 2


@pytest.mark.parametrize("gpus", ["all", "0", "7"])
def test_a_gpu_that_is_not_there_is_code_8(
    cli: Cli, file: str, monkeypatch: pytest.MonkeyPatch, gpus: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    answer = cli("start", file, "--gpus", gpus)
    assert answer.code == 8
    assert "--gpus cpu" in answer.err


def test_damaged_data_are_code_9(cli: Cli, file: str, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + b"\0\0\0\x09" * 3 + b"x")
    answer = cli("start", file, "--gpus", "cpu", "--set", "data.name='./images'")
    assert answer.code == 9
    assert "images" in answer.err


def test_a_place_that_cannot_be_written_is_code_10(cli: Cli, file: str) -> None:
    answer = cli("start", file, "--storage", "sqlite:////proc/sweep.db")
    assert answer.code == 10
    assert "--storage" in answer.err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("epochs = 2", "epoch = 2"), "Did you mean 'epochs'"),
        (("low = 8", "low = 80"), "must be below"),
        (("hidden_width = {low = 8, high = 64, log = true}\nepochs = 2", ""), "space"),
        (("epochs = 2", 'epochs = 2\noutput_activation = "linear"'), "bce"),
        (("[space]", "[space"), "line 4"),
    ],
)
def test_a_bad_study_file_is_code_4(
    cli: Cli, file: str, change: tuple[str, str], says: str
) -> None:
    Path(file).write_text(STUDY.replace(*change))
    answer = cli("start", file)
    assert answer.code == 4
    assert says in answer.err and file in answer.err


def test_a_study_file_with_a_problem_starts_no_worker_process(
    cli: Cli, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sequence[str]] = []
    monkeypatch.setattr(resources, "start_processes", lambda of, **_: started.append(of))
    assert cli("start", file, "--gpus", "cpu", "--set", "space.epochs=-1").code == 4
    assert started == []


@pytest.mark.parametrize("make", [lambda p: None, Path.mkdir, lambda p: p.write_bytes(b"\xff\0")])
def test_a_file_that_cannot_be_read_is_code_4(cli: Cli, make) -> None:
    make(Path("odd.toml"))
    answer = cli("start", "odd.toml")
    assert answer.code == 4 and "odd.toml" in answer.err


def test_a_database_of_a_newer_schema_is_code_5(cli: Cli, file: str, tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path}/sweep.db", create=True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE sweep_alembic_version SET version_num = 'f00'"))
    for command in (("start", file), ("list",), ("resume", "x"), ("db", "upgrade")):
        answer = cli(*command)
        assert answer.code == 5, command
        assert "newer sweep" in answer.err


def test_an_unreachable_server_is_code_5_and_keeps_its_password(cli: Cli, file: str) -> None:
    answer = cli("start", file, "--storage", "postgresql://me:hunter2@127.0.0.1:1/db")
    assert answer.code == 5
    assert "hunter2" not in answer.err + answer.out


# --- telling a coordinator ------------------------------------------------------------------


@pytest.mark.parametrize("command", ["pause", "stop"])
def test_a_coordinator_that_does_not_answer_finds_the_row_when_it_is_back(
    cli: Cli, store: Engine, command: str
) -> None:
    study_id = add_study(store, "x", study_file=STUDY, phase="running")
    add_rows(store, sweep_leases, lease_row(study_id, expires_at=1.0))
    answer = cli(command, "x")
    assert answer.code == 0
    assert "its coordinator does not answer. If it is only cut off, it applies the " in answer.err
    assert "`sweep resume x` drops the request and continues." in answer.err
    assert command in cli("status", "x").out


@pytest.mark.parametrize("command", ["pause", "stop"])
@pytest.mark.parametrize("expires_at", [1.0, 4e9])
def test_a_study_whose_coordinator_died_can_be_neither_paused_nor_stopped(
    cli: Cli, store: Engine, command: str, expires_at: float
) -> None:
    here = Holder.this_process()
    died = {"host": here.host, "process": {**here.process, "started_ticks": 1.0}, "pid": here.pid}
    study_id = add_study(store, "x", study_file=STUDY, phase="running")
    add_rows(store, sweep_leases, lease_row(study_id, expires_at, **died))
    answer = cli(command, "x")
    assert answer.code == 2
    assert answer.err == (
        f"sweep: no coordinator runs study 'x': nothing to {command}. "
        "`sweep resume x` continues it.\n"
    )
    assert open_study(store, "x").commands() == []


@pytest.mark.parametrize("command", ["pause", "stop"])
def test_a_study_that_has_ended_can_be_neither_paused_nor_stopped(
    cli: Cli, file: str, store: Engine, command: str
) -> None:
    cli("start", file, "--gpus", "cpu")
    answer = cli(command, "x")
    assert answer.code == 2
    why = "finished (all 6 trials are done (budget.trials))"
    assert answer.err == (
        f"sweep: study 'x' is {why}: nothing to {command}. "
        "`sweep resume x --trials N`, with N above 6, trains more.\n"
    )
    assert open_study(store, "x").commands() == []


@pytest.mark.parametrize(
    ("phase", "because", "how"),
    [
        ("stopped", "sweep stop", "`sweep resume x` continues it"),
        ("failed", "the database is gone", "`sweep resume x` continues it"),
        (
            "failed",
            "more than 9 trials failed (budget.max_failures)",
            "`sweep resume x --set budget.max_failures=VALUE`, with another limit, ",
        ),
        ("finished", "all 8 trials are done (the whole grid)", "`sweep resume x --file FILE`, "),
        (
            "out of time",
            "it has run for 61.0 s, budget.max_seconds is 60",
            "`sweep resume x --set budget.max_seconds=VALUE`, with another limit, ",
        ),
    ],
)
def test_what_continues_a_study_depends_on_why_it_ended(
    cli: Cli, store: Engine, phase: str, because: str, how: str
) -> None:
    add_study(store, "x", study_file=STUDY, phase=phase, ended_because=because)
    assert how in cli("stop", "x").err


def test_the_command_to_go_on_with_names_the_same_database(cli: Cli, store: Engine) -> None:
    study_id = add_study(store, "x", study_file=STUDY, phase="running")
    add_rows(store, sweep_leases, lease_row(study_id, expires_at=1.0))
    url = str(store.url)
    answer = cli("pause", "x", "--storage", url)
    assert f"`sweep resume x --storage {url}` drops the request" in answer.err


def test_an_enqueued_configuration_waits_and_runs_when_somebody_goes_on(
    cli: Cli, file: str
) -> None:
    cli("start", file, "--gpus", "cpu")
    cli("enqueue", "x", "hidden_width=33")
    cli("resume", "x", "--trials", 8)
    rows = cli("trials", "x", "--json").json
    assert [row["number"] for row in rows if row["params"]["hidden_width"] == 33] == [6]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (["hidden_width=9999"], 4),
        (["hiden_width=9"], 4),
        (["hidden_width"], 2),
        (["=3"], 2),
        (["hidden_width=8", "hidden_width=9"], 2),
    ],
)
def test_a_configuration_outside_the_space_is_refused_at_once(
    cli: Cli, store: Engine, settings: list[str], code: int
) -> None:
    add_study(store, "x", study_file=STUDY)
    assert cli("enqueue", "x", *settings).code == code
    assert open_study(store, "x").commands() == []


def test_resume_ends_the_pause_of_a_study_that_runs_elsewhere(
    cli: Cli, store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "PATIENCE_SECONDS", 0)
    study_id = add_study(store, "x", study_file=STUDY, phase="paused")
    add_rows(store, sweep_leases, lease_row(study_id, expires_at=4e9))
    answer = cli("resume", "x", "--trials", 99)
    assert answer.code == 0
    begun = [line.partition(":")[0] for line in answer.err.splitlines()]
    assert begun == ["a new budget for study 'x'", "continuing study 'x'"]
    kinds = [command.kind for command in commands.list_pending(store, study_id)]
    assert kinds == ["extend", "continue"]


# --- progress -------------------------------------------------------------------------------


def progress(**changes: object) -> Progress:
    worker = WorkerProgress(
        name="w0",
        device="cpu",
        state="training",
        number=3,
        epoch=2,
        epochs=5,
        n_training=1,
        busy=0.5,
        n_finished=3,
    )
    fields: dict[str, object] = {
        "name": "x",
        "phase": "running",
        "n_trials": 10,
        "n_complete": 3,
        "n_pruned": 1,
        "n_failed": 0,
        "n_diverged": 0,
        "n_running": 2,
        "best_value": 0.25,
        "best_number": 1,
        "trials_per_second": 2.0,
        "seconds_left": 3.0,
        "workers": (worker,),
    }
    return Progress(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_line_of_progress_has_what_matters() -> None:
    said = line(progress())
    for part in (
        "4/10 trials",
        "1 pruned",
        "best 0.2500 (trial 1)",
        "2.00 trials/s",
        "trial 3 at epoch 2/5",
    ):
        assert part in said


def test_the_end_of_a_budget_is_told_with_what_becomes_of_trials_in_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = progress(phase="ending", because="target reached: trial 3 has 0.1")
    PlainLines()(state)
    assert (
        "no more trials begin; running trials continue to their end: target reached: trial 3 has"
        in capsys.readouterr().err
    )


def test_a_line_of_progress_counts_what_a_population_trains() -> None:
    state = progress(n_running=40)
    several = replace(state.workers[0], n_training=37)
    said = line(replace(state, workers=(several,)))
    assert "37 in training, 3 queued by workers" in said
    assert "at epoch" not in said


def test_population_is_no_option_of_the_reference_trainer(cli: Cli, file: str) -> None:
    answer = cli("start", file, "--trainer", "reference", "--population", 8)
    assert answer.code == 2
    assert "--population" in answer.err


def test_the_fused_trainer_on_the_cpu_is_refused(
    cli: Cli, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    answer = cli("start", file, "--gpus", "cpu", "--trainer", "fused")
    assert answer.code == 8
    assert "`--trainer cpu` trains there" in answer.err


def test_the_picture_has_a_line_for_each_worker() -> None:
    from rich.console import Console

    console = Console(width=120)
    with console.capture() as captured:
        console.print(render([view_of(progress(message="the database has been away for 3 s"))]))
    assert "w0" in captured.get() and "2/5" in captured.get()
    assert "away" in captured.get()


def test_plain_lines_come_at_a_better_best_and_not_for_every_tick(
    capsys: pytest.CaptureFixture[str],
) -> None:
    observe = PlainLines()
    for value in (0.25, 0.25, 0.25, 0.125):
        observe(progress(best_value=value))
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_below_a_cell_one_line_moves_and_notices_stay(capsys: pytest.CaptureFixture[str]) -> None:
    observe = MovingLine()
    for value in (0.25, 0.25, 0.125):
        observe(progress(best_value=value))
    observe(progress(message="the database has been away for 3 s"))
    observe.end()
    moving, notice, again, rest = capsys.readouterr().err.split("\n")
    assert moving.count("\r") == 2 and "best 0.1250" in moving
    assert "away for 3 s" in notice and again.startswith("\rx: ") and not rest


def test_a_shorter_line_covers_a_longer_one(capsys: pytest.CaptureFixture[str]) -> None:
    observe = MovingLine()
    observe(progress())
    observe(progress(workers=()))
    _, longer, shorter = capsys.readouterr().err.split("\r")
    assert len(shorter) == len(longer) and shorter.endswith("  ")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
@pytest.mark.parametrize("in_kernel", [True, False])
def test_a_command_of_a_cell_has_a_terminal_and_no_live_picture(
    in_kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As IPython runs `!sweep start`: JupyterLab would stack the frames of a picture.
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    if in_kernel:
        monkeypatch.setenv("JPY_PARENT_PID", "1")
    parent, child = os.openpty()
    with os.fdopen(child, "w") as terminal, monkeypatch.context() as patched:
        patched.setattr("sys.stderr", terminal)
        with shown_progress() as observe:
            assert isinstance(observe, MovingLine) == in_kernel
    os.close(parent)


def test_a_log_file_of_a_cell_gets_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    with (tmp_path / "log").open("w") as file, monkeypatch.context() as patched:
        patched.setattr("sys.stderr", file)
        with shown_progress() as observe:
            assert isinstance(observe, PlainLines)


def test_an_address_is_of_a_ray_cluster(cli: Cli, file: str) -> None:
    answer = cli("start", file, "--ray-address", "10.0.0.1:6379")
    assert answer.code == 2
    assert "needs --launcher ray" in answer.err


def test_gpus_that_a_file_names_are_not_looked_for_in_a_cluster(cli: Cli, file: str) -> None:
    answer = cli("start", file, "--launcher", "ray", "--set", "workers.gpus=0,1")
    assert answer.code == 2
    assert "workers.gpus '0,1' names GPUs of one machine" in answer.err


def test_without_ray_its_extra_is_named(
    cli: Cli, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    answer = cli("start", file, "--launcher", "ray")
    assert answer.code == 8
    assert "Ray is not installed" in answer.err
    assert "sweep-autoencoder[ray]" in answer.err
