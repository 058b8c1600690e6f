"""The benchmark of training, tiny and in Triton's interpreter: everyone trains the same there."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import training
from benchmarks.contestants import Group
from benchmarks.fields import SMOKE, make_data, make_trials, open_device
from benchmarks.records import Record, read_records
from benchmarks.whole import measure_all
from tests.support.imports import MISSING_WHERE_ONLY_TRAINED, without_modules

CONTESTANTS = {
    "tutorial-0",
    "tutorial-4",
    "eager",
    "graph",
    "vmap",
    "vmap-compiled",
    "jax",
    "jax-shared",
    "jax-padded",
    "jax-buckets",
    "reference",
    "fused",
    "fused-whole",
}
RUN_ON_CPU = {
    "9": {"tutorial-0", "tutorial-4", "eager", "vmap", "vmap-compiled", "reference", "fused"},
    "mix": {"tutorial-0", "tutorial-4", "eager", "reference", "fused", "fused-whole"},
}


@pytest.fixture(scope="module")
def flushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the benchmark writes each result as soon as it is there."""
    return tmp_path_factory.mktemp("training") / "results"


#: Loading torch for each of eight groups takes longest, so one of them has a process of its own.
IN_ONE_PROCESS = """
import subprocess, sys
from benchmarks import training
start = subprocess.run
def run(command, **options):
    if "jax" in command and "9" in command:
        return start(command, **options)
    sys.argv = command[2:]
    training.main()
    return subprocess.CompletedProcess(command, 0)
subprocess.run = run
training.main()
"""


@pytest.fixture(scope="module")
def line(flushed: Path) -> dict[str, Any]:
    """What the benchmark prints last."""
    command = [sys.executable, "-c", IN_ONE_PROCESS, "--smoke", "--no-whole"]
    command += ["--json", str(flushed)]
    hidden = {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        command, env=os.environ | hidden, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return printed


@pytest.fixture(scope="module")
def fields(line: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the line says of each contestant, by field."""
    return {name: field["contestants"] for name, field in line["fields"].items()}


@pytest.mark.parametrize("field", ["9", "mix"])
def test_every_contestant_has_a_time_or_a_reason(fields: dict[str, Any], field: str) -> None:
    assert fields[field].keys() == CONTESTANTS
    for found in fields[field].values():
        assert found.get("reason") or found["seconds"] > 0


@pytest.mark.parametrize("field", ["9", "mix"])
def test_who_needs_no_gpu_runs_without_one(fields: dict[str, Any], field: str) -> None:
    timed = {name for name, found in fields[field].items() if "reason" not in found}
    assert timed >= RUN_ON_CPU[field]
    assert fields[field]["graph"]["reason"] == "needs a CUDA device"


@pytest.mark.parametrize("field", ["9", "mix"])
def test_all_contestants_train_the_same(fields: dict[str, Any], field: str) -> None:
    expected = fields[field]["reference"]["losses"]
    for name, found in fields[field].items():
        if "reason" not in found:
            assert found["losses"] == pytest.approx(expected, rel=1e-5), name


def test_what_a_user_waits_for_is_part_of_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waited = {"study": {"seconds": 2.0}}
    monkeypatch.setattr(training, "measure_all", lambda *_: waited)
    monkeypatch.setattr(training, "_contest", lambda *_: iter([]))
    monkeypatch.setattr(sys, "argv", ["training", "--smoke", "--widths", "9"])
    training.main()
    assert json.loads(capsys.readouterr().out.splitlines()[-1]).items() >= waited.items()


def test_a_study_is_timed_by_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    study = measure_all(SMOKE, torch.device("cpu"), ["study"])["study"]
    assert study["n_trials"] == SMOKE.n_study and study["seconds"] > 0
    (busy,) = study["busy"]
    # A worker that is done at once never told, or told before its first epoch was collected.
    assert busy is None or 0 <= busy <= 1


def test_every_result_is_written_as_soon_as_it_is_there(
    line: dict[str, Any], fields: dict[str, Any], flushed: Path
) -> None:
    written: dict[str, dict[str, Record]] = {name: {} for name in fields}
    for record in read_records(flushed):
        if record.pop("what") == "contestant":
            written[record.pop("field")][record.pop("contestant")] = record
    assert written == fields


def test_device_time_stands_beside_wall_time(fields: dict[str, Any]) -> None:
    for name in ("fused", "fused-whole"):
        timed = fields["mix"][name]
        assert 0 < timed["device_seconds"] <= timed["seconds"]


def test_a_group_that_takes_too_long_is_left_with_what_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write_one_and_hang(command: list[str], *, timeout: float, **_: object) -> None:
        results = Path(command[command.index("--json") + 1])
        results.write_text('{"what": "eager", "reason": "it says so"}\n{"what": "gr')
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", write_one_and_hang)
    options = argparse.Namespace(steps=1, repeats=1, slots=None, smoke=True, limit=7)
    found = training._run_group("9", ["eager", "graph"], Group.TORCH, options)
    assert found == {"eager": "it says so", "graph": "not done within 7 s"}


def test_whoever_draws_its_own_orders_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import measuring
    from benchmarks.contestants import contestants

    def refuse(*_: object) -> None:
        raise AssertionError("orders were drawn for a contestant that draws its own")

    monkeypatch.setattr(measuring, "draw_orders", refuse)
    device = open_device(smoke=True)
    bench = measuring.Bench(
        sizes=SMOKE,
        data=make_data(SMOKE, device),
        device=device,
        n_part_steps=1,
        repeats=1,
    )
    timed = bench.measure(contestants(SMOKE)["reference"], make_trials("9", 2, SMOKE))
    assert isinstance(timed, measuring.Timed)


def test_they_load_where_nothing_is_installed_but_what_training_needs() -> None:
    modules = "benchmarks.training, benchmarks.whole, sweep.worker.fused"
    code = without_modules(MISSING_WHERE_ONLY_TRAINED) + f"import {modules}"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert loaded.returncode == 0, loaded.stderr
