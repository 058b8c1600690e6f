"""The benchmark of whole commands, in small: three tiny trials on both sides."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.plain import FIELDS, write_study
from sweep.studyfile import load


@pytest.fixture(scope="module")
def field() -> dict[str, Any]:
    """What the benchmark's JSON line says of its smoke field."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.plain", "--smoke", "--agree"],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["fields"]["smoke"]
    return printed


def test_the_ratio_is_that_of_both_sides(field: dict[str, Any]) -> None:
    assert field["ratio"] == field["plain_seconds"] / field["sweep_seconds"] > 0
    assert field["gflops"] > 0
    (only_round,) = field["rounds"]
    assert only_round["ratio"] == field["ratio"]


def test_sweep_trains_what_the_reference_trainer_trains(field: dict[str, Any]) -> None:
    assert max(field["differences"]["sweep"]) <= 1e-4
    assert 0 < max(field["differences"]["reordered"]) <= 1e-4


def test_the_narrow_fields_search_widths_from_8_to_128(tmp_path: Path) -> None:
    study = load(write_study(FIELDS["narrow-200"], tmp_path))
    width = study.space.domains()["hidden_width"]
    assert (width.low, width.high) == (8, 128)  # type: ignore[union-attr]
    assert (study.budget.trials, study.enqueue) == (200, ())
