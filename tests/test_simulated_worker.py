"""The simulated worker: what it says is what a worker with the fused trainer says."""

import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from sweep.config import TrialConfig
from sweep.coordinator.run import start
from sweep.launch.resources import RunOptions
from sweep.messages import Capacity, TrialSpec
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from sweep.studyfile import loads
from tests.support.fused_factories import FUSED, fused_spec, make_fused
from tests.support.simulated_worker import (
    Device,
    SimulatedLauncher,
    SimulatedPopulation,
    Simulation,
    val_mse_of,
)

STUDY = """
study.name = "x"
study.duplicates = "train"
study.repeat = 2
space.hidden_width = {low = 8, high = 1024, log = true}
space.batch_size.choices = [64, 128]
space.epochs = {low = 1, high = 4}
sampler.name = "random"
budget.trials = 40
"""


def shape(value: Any) -> Any:
    """The types of a record's values, all the way down."""
    if is_dataclass(value):
        found = {field.name: shape(getattr(value, field.name)) for field in fields(value)}
        return type(value).__name__, found
    if isinstance(value, tuple | list):
        return [shape(one) for one in value]
    return type(value).__name__


def test_its_messages_have_the_shape_of_the_fused_trainers() -> None:
    fused = make_fused()
    simulated = SimulatedPopulation(
        Device(Simulation(trials_per_second=1e6)), Capacity(slots=4, hidden_units=64)
    )
    spec = fused_spec(seeds=(1, 2))
    told = []
    for population in (fused, simulated):
        assert population.admit(spec)
        epochs = [
            event
            for _ in range(FUSED.epochs)
            for event in population.collect(population.launch_epoch())  # type: ignore[arg-type]
        ]
        results = [population.result(1, limit) for limit in (None, 0.0)]
        told.append([shape(epochs), shape(results)])
    assert told[0] == told[1]


def test_it_loads_no_torch() -> None:
    code = "import sys, tests.support.simulated_worker; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=root).returncode == 0


def test_a_full_population_finishes_trials_at_the_rate_that_was_asked_for() -> None:
    device = Device(Simulation(trials_per_second=250), clock=lambda: 10.0)
    specs = [
        TrialSpec(number=n, attempt=1, config=TrialConfig(epochs=5), seeds=(n,)) for n in range(50)
    ]
    ends = [device.launch(specs)[0] for _ in range(5)]
    assert ends[0] == pytest.approx(10.0 + 0.04)
    assert ends[-1] == pytest.approx(10.0 + 50 / 250)


def test_a_study_of_simulated_workers_has_the_numbers_that_its_configurations_give(
    tmp_path: Path,
) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'x.db'}", create=True)
    launcher = SimulatedLauncher(Simulation(trials_per_second=400, slots=8, jitter=0.2))
    options = RunOptions(gpus="cpu", cpu_workers=2)
    file = loads(STUDY, "x.toml")
    phase = start(engine, file, options, lambda p: None, say=lambda s: None, launcher=launcher)
    assert phase == "finished"
    # One that was not ready before the end has none.
    assert {worker.slots for worker in open_study(engine, "x").workers()} - {None} == {8}
    curves = open_study(engine, "x").curves()
    for row in open_study(engine, "x").trials():
        config = TrialConfig(**row.config)
        expected = [
            sum(val_mse_of(config, seed, epoch) for seed in row.seeds) / 2
            for epoch in range(1, config.epochs + 1)
        ]
        assert [point.val_mse for point in curves[row.number]] == pytest.approx(expected)
        assert row.value == pytest.approx(expected[-1])
