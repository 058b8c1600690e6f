"""The benchmark of whole commands, in small: three tiny trials on both sides."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.plain import FIELDS, ReorderedTrainer, write_study
from sweep.config import TrialConfig
from sweep.messages import TrialSpec
from sweep.studyfile import load
from sweep.trainer.reference import ReferenceTrainer
from tests.support.trainer_factories import make_data


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
    assert only_round["mm_share"] == only_round["gflops"] / only_round["mm_gflops"] > 0


def test_sweep_trains_what_the_reference_trainer_trains(field: dict[str, Any]) -> None:
    assert max(field["differences"]["sweep"]) <= 1e-4
    assert max(field["differences"]["reordered"]) <= 1e-4


def test_reordering_moves_hidden_units_and_nothing_else() -> None:
    data, cpu = make_data(), torch.device("cpu")
    spec = TrialSpec(number=0, attempt=1, config=TrialConfig(hidden_width=8), seeds=(1,))
    steps = [of(data, cpu)._step(spec, 1) for of in (ReferenceTrainer, ReorderedTrainer)]
    plain, moved = (step.model.encoder.weight.detach() for step in steps)
    assert not torch.equal(plain, moved)
    assert torch.equal(plain.sum(dim=1).sort().values, moved.sum(dim=1).sort().values)


def test_the_narrow_fields_search_widths_from_8_to_128(tmp_path: Path) -> None:
    study = load(write_study(FIELDS["narrow-200"], tmp_path))
    width = study.space.domains()["hidden_width"]
    assert (width.low, width.high) == (8, 128)  # type: ignore[union-attr]
    assert (study.budget.trials, study.enqueue) == (200, ())
