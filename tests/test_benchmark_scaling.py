"""The benchmark of scaling, in small: it runs to its end, and its ratio is that of its sides."""

import json
import subprocess
import sys


def test_the_benchmark_tells_both_sides_and_fails_below_the_least_ratio() -> None:
    small = "--workers 2 --rate 40 --seconds 3 --least 1000"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling", *small.split()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["ratio"] == line["many"] / line["one"] > 0
    assert done.returncode == 1
