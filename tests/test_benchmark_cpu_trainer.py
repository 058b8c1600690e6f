"""The benchmark of the CPU trainer runs to its end, and its sides train the same."""

import json

import pytest
import torch

from benchmarks import cpu_trainer
from benchmarks.cpu_trainer import BATCH_SIZE, CPU, N_INPUTS, PlainStep
from sweep.config import TrialConfig
from sweep.trainer.cpu.step import ManualStep
from sweep.trainer.reference import AutogradStep


def test_it_prints_every_side_and_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    n_threads = torch.get_num_threads()
    try:
        with pytest.raises(SystemExit):
            cpu_trainer.main(["--widths", "8", "--rounds", "1", "--steps", "2"])
    finally:
        torch.set_num_threads(n_threads)
    *_, table, line = capsys.readouterr().out.splitlines()
    (found,) = json.loads(line)["found"]
    assert set(found["us"]) == {"torch.mm", "plain", "reference", "cpu"}
    assert found["ratio"] == pytest.approx(found["us"]["plain"] / found["us"]["cpu"])
    assert table.startswith("| 1 | 8 | ")


def test_a_side_below_its_goal_is_a_miss() -> None:
    assert cpu_trainer._misses({"threads": 1, "width": 32, "ratio": 2.3})
    assert not cpu_trainer._misses({"threads": 1, "width": 32, "ratio": 2.5})
    assert not cpu_trainer._misses({"threads": 2, "width": 32, "ratio": 2.3})


def test_all_sides_have_the_same_losses() -> None:
    images = torch.randint(0, 256, (BATCH_SIZE, N_INPUTS), dtype=torch.uint8)
    config, rows = TrialConfig(hidden_width=8), torch.arange(BATCH_SIZE)
    steps = [
        PlainStep(config, 0, images),
        AutogradStep(config, 0, images, CPU),
        ManualStep(config, 0, images),
    ]
    plain, reference, cpu = ([float(step(rows, 0.1)) for _ in range(3)] for step in steps)
    assert cpu == pytest.approx(plain, rel=1e-5) and reference == pytest.approx(plain, rel=1e-5)
