"""The benchmark of the law of the width, in small."""

import json
import math

import pytest

from benchmarks import width_law
from benchmarks.width_law import CASES, Planted
from sweep.analysis.width_law import WidthVerdict


def test_it_ends_with_what_held_of_every_kind_of_study(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["width_law", "--studies", "2"])
    width_law.main()
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [of["case"] for of in line["cases"]] == [case.name for case in CASES]
    assert all(0 <= of["verdict_right"] <= 1 for of in line["cases"])
    assert line["cases"][-1]["held"] is None and line["cases"][0]["held"]["e_inf"] >= 0


def test_the_truth_is_what_the_law_says() -> None:
    bent = Planted(0.01, 0.2, 1.0)
    assert bent.at(bent.knee) == pytest.approx(2 * bent.e_inf)
    assert bent.gain(20) == pytest.approx(1 - 0.015 / 0.02)
    assert Planted(0.0, 0.5, 0.5).knee == math.inf
    assert {case.verdict for case in CASES} == set(WidthVerdict)
