"""The benchmark of training, tiny and in Triton's interpreter: everyone trains the same there."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

CONTESTANTS = {
    "tutorial-0",
    "tutorial-4",
    "eager",
    "graph",
    "vmap",
    "vmap-compiled",
    "jax",
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
def line() -> dict[str, Any]:
    """What the benchmark prints last."""
    command = [sys.executable, "-m", "benchmarks.training", "--smoke"]
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


def test_what_a_user_waits_for_is_measured(line: dict[str, Any]) -> None:
    assert all(line["first_epoch"][name] > 0 for name in ("cold_seconds", "warm_seconds"))
    assert line["study"]["n_trials"] == 3
    (busy,) = line["study"]["busy"]
    # A worker that is done at once never told, or told before its first epoch was collected.
    assert busy is None or 0 <= busy <= 1
