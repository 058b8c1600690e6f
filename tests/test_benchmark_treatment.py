"""The treatment test in small, and what it counts."""

import json
from pathlib import Path

import pytest

from benchmarks import treatment
from benchmarks.treatment import REMEDIES, Remedy, Treated, apply, best_remedy, draw, summary
from sweep.enums import Loss, Output


def test_a_configuration_is_treated_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, small in {"EPOCHS": (1, 2), "WIDTHS": (2, 4), "TRAIN_LIMITS": (20,)}.items():
        monkeypatch.setattr(treatment, name, small)
    kept = tmp_path / "trained.json"
    treatment.main(["--configurations", "2", "--seeds", "1", "-o", str(kept)])
    out = capsys.readouterr().out
    assert out.startswith("The advised remedy gains most in ")
    found = json.loads(out.splitlines()[-1])
    assert found["configurations"] == 2 and sum(found["best"].values()) == 2
    assert set(found["error_under_one"]) == set(REMEDIES)
    treatment.main(["--read", str(kept)])
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {**again, "seconds": 0} == {**found, "seconds": 0}


def test_each_remedy_changes_one_thing() -> None:
    case = draw(0)
    config, twice = case.config, apply(case, Remedy.IMAGES)
    assert apply(case, Remedy.EPOCHS).config.epochs == 2 * config.epochs
    assert apply(case, Remedy.WIDTH).config.hidden_width == 2 * config.hidden_width
    output = apply(case, Remedy.OUTPUT).config
    assert (output.output_activation, output.loss) == (Output.LINEAR, Loss.MSE)
    updates = twice.train_limit * twice.config.epochs
    assert 1 <= updates / (case.train_limit * config.epochs) <= 1.25


def of(before: float, **after: float | None) -> Treated:
    """A configuration of this error that settled, and its error under each remedy."""
    row = {"test": [before, None], "curve": [[before, before]] * 9, "diagnostics": None}
    case = {"config": vars(draw(0).config), "train_limit": 20}
    errors = {Remedy[name]: error for name, error in after.items()}
    return treatment.from_json({**row, **case, "errors": errors})


def test_the_best_remedy_lowers_the_error_most_and_may_be_none() -> None:
    assert best_remedy(of(0.1, EPOCHS=0.05, WIDTH=0.04, IMAGES=None)) is Remedy.WIDTH
    assert best_remedy(of(0.1, EPOCHS=0.2, WIDTH=None)) is None


def test_the_advised_is_counted_beside_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    advised = iter([Remedy.WIDTH, Remedy.EPOCHS, Remedy.EPOCHS])

    class Told:
        limit = "so"

        def __init__(self) -> None:
            self.remedy = next(advised)

    monkeypatch.setattr(treatment, "diagnose_case", lambda *_: Told())
    found = summary(
        [
            of(0.1, EPOCHS=0.05, WIDTH=0.04),
            of(0.1, EPOCHS=0.051, WIDTH=0.05),
            of(0.1, EPOCHS=0.2, WIDTH=0.05),
        ]
    )
    assert found["advised_gains_most"] == 1 and found["advised_is_close"] == 2
    assert (found["most_frequent"], found["most_frequent_gains_most"]) == (Remedy.WIDTH, 3)
