"""benchmarks/host.py runs to its end at small sizes."""

import json
import subprocess
import sys

from benchmarks.host import PARTS


def test_the_hosts_cost_of_a_trial_is_told_part_by_part() -> None:
    command = [sys.executable, "-m", "benchmarks.host", "--smoke", "--rounds", "1", "--widths", "9"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (record,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert record["seconds"].keys() == set(PARTS)
    assert record["sum"] > 0
    assert "H = 9, 3 trials" in done.stderr
