"""The benchmark of the first and last seconds, with one trial."""

import json
import subprocess
import sys

import pytest

from benchmarks.startup import N_STEPS, POINTS, points, read_marks

MARKS = f"""
1.5 7 said:Train 0
1.0 6 process 0
1.2 7 process 0
4.0 7 said:EpochsDone {N_STEPS / (N_STEPS - 1)}
5.0 7 said:EpochsDone 0.5
5.5 7 said:TrialDone 0
"""


def test_points_are_told_from_the_command_on() -> None:
    found = points(read_marks(MARKS.strip()), begun=0.5, ended=6.0)
    assert found["worker process"] == 1.2 - 0.5
    assert found["first step"] == 4.0 - 1.0 - 0.5  # an epoch of a second, but for its first step
    last = (found["last epoch"], found["last result"], found["end"])
    assert last == pytest.approx((4.5, 5.0, 5.5))


def test_every_point_of_a_real_run_is_reached_in_order() -> None:
    small = "--trials 1 --rounds 1 --most 1000 --options --workers 1"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.startup", *small.split()],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    reached = json.loads(done.stdout.splitlines()[-1])["points"]
    assert reached.keys() == POINTS.keys()
    assert reached["worker process"] < reached["loaded:torch"] < reached["said:Ready"]
    assert reached["said:Ready"] < reached["first step"] < reached["last epoch"] < reached["end"]
