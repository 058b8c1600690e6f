"""The benchmark of sampling, in small: it runs to its end and its last line can be read."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.sampling import PROBLEMS, Search
from sweep.enums import Sampler


def test_the_benchmark_tells_both_sides_of_each_ratio_and_a_verdict_on_each_search(
    tmp_path: Path,
) -> None:
    small = "--sizes 30 --asks 4 --problems valley --seeds 2 --trials 20 --jobs 1"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sampling", *small.split(), "--regret", tmp_path / "x"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "x").read_text().splitlines()) == 2 * 3 * 2
    line = json.loads(done.stdout.splitlines()[-1])
    assert [t["space"] for t in line["ask"]] == ["flat", "conditional"]
    for t in line["ask"]:
        assert t["ratio"] == t["optuna_ms"] / t["sweep_ms"]
    assert [r["at_once"] for r in line["regret"]] == [1, 4]
    for r in line["regret"]:
        assert r["within_spread"] == (r["sweep"][1] <= r["optuna"][2])


@pytest.mark.parametrize("at_once", [1, 64])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_it_searches_mixed_and_conditional_spaces_better_than_chance(
    problem: str, at_once: int
) -> None:
    def regrets(sampler: Sampler) -> list[float]:
        return [
            Search(
                problem=problem, sampler=sampler, at_once=at_once, seed=seed, n_trials=192
            ).regret()
            for seed in range(3)
        ]

    assert np.median(regrets(Sampler.TPE)) < 0.9 * np.median(regrets(Sampler.RANDOM))
