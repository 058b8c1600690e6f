"""The benchmark of scaling, in small: it runs to its end, and its ratio is that of its sides."""

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("least", "code"), [("0.1", 0), ("1000", 1)])
def test_the_benchmark_tells_both_sides_and_fails_below_the_least_ratio(
    least: str, code: int
) -> None:
    small = f"--workers 2 --rate 40 --seconds 1 --least {least}"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling", *small.split()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["ratio"] == line["many"] / line["one"] > 0
