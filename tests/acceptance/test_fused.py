"""A study by the fused trainer, in Triton's interpreter, and the same by the reference trainer."""

import math
import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from sweep.store import read, read_beside
from sweep.store.engine import Engine
from sweep.store.migrate import open_store
from sweep.trial import width_class
from tests.factories import make_images, write_dataset

STUDY = """
study.name = "x"
study.seed = 3
space.hidden_width = {low = 4, high = 40, log = true}
space.activation.choices = ["relu", "tanh"]
space.optimizer.choices = ["adam", "sgd"]
space.epochs = {low = 1, high = 3}
space.batch_size = 32
sampler.name = "random"
budget.trials = 8
"""


def run(folder: Path, data: Path, trainer: str) -> str:
    folder.mkdir()
    (folder / "x.toml").write_text(STUDY + f'data.name = "{data}"\n')
    url = f"sqlite:///{folder / 'x.db'}"
    subprocess.run(
        [
            *(sys.executable, "-m", "sweep", "start", str(folder / "x.toml")),
            *("--workers", "1", "--trainer", trainer, "--storage", url),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TRITON_INTERPRET": "1"},
    )
    return url


def test_a_study_is_the_same_by_either_trainer(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", make_images(60, 20, height=4, width=4))
    urls = {trainer: run(tmp_path / trainer, data, trainer) for trainer in ("reference", "fused")}
    plain, fused = (optuna.load_study(study_name="x", storage=url).trials for url in urls.values())
    assert [trial.state for trial in fused] == [TrialState.COMPLETE] * 8
    for one, other in zip(plain, fused, strict=True):
        assert one.params == other.params
        assert other.value == pytest.approx(one.value, rel=1e-4)
        assert list(other.intermediate_values) == list(one.intermediate_values)
    engine = open_store(urls["fused"])
    assert read.provenance(engine, "x")["trainer"] == "fused"
    diagnosed = read.trial(engine, "x", 0).results[0].diagnostics
    assert diagnosed is not None and diagnosed["encoder_norm"] > 0
    assert read.workers(engine, "x")[0].slots == 4
    assert_the_best_of_each_width_are_looked_into(engine, open_store(urls["reference"]))


def assert_the_best_of_each_width_are_looked_into(fused: Engine, plain: Engine) -> None:
    """And what is found is what the reference trainer found, which looks into more of them."""
    best: dict[int, tuple[float, int]] = {}
    for row in read.trials(fused, "x"):
        assert row.hidden_width is not None and row.value is not None
        key = width_class(row.hidden_width)
        best[key] = min(best.get(key, (math.inf, 0)), (row.value, row.number))
    probes = read_beside.probes(fused, "x")
    assert {number for _, number in best.values()} <= set(probes)
    others = read_beside.probes(plain, "x")
    for number in sorted(set(probes) & set(others)):
        assert probes[number]["code"]["linear"] == pytest.approx(
            others[number]["code"]["linear"], abs=0.11
        )
    assert set(probes) == set(read_beside.decompositions(fused, "x"))
