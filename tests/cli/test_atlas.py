"""atlas: the same images at every width, and chosen trials side by side."""

from pathlib import Path

from sweep.store.engine import Engine
from sweep.store.schema import sweep_reconstructions
from sweep.trial import TrialConfig
from tests.cli_runner import Cli
from tests.store_factories import add_rows, add_study, add_trial, strip_png


def add(store: Engine) -> None:
    """Trials 0 and 2 are the best of their widths, and 1 is not; 3 has no pictures."""
    study_id = add_study(store, "x", originals_png=strip_png())
    for number, (width, error) in enumerate([(8, 0.2), (8, 0.3), (64, 0.1), (512, 0.05)]):
        config = TrialConfig(hidden_width=width)
        trial_id = add_trial(store, study_id, number, error, config=config, per_class_mse=[error])
        png = {"reconstructions_png": strip_png(), "errors_png": strip_png()}
        if number != 3:
            add_rows(store, sweep_reconstructions, {"trial_id": trial_id, **png})


def test_the_best_of_each_width_are_told_and_drawn(cli: Cli, store: Engine) -> None:
    add(store)
    found = cli("atlas", "x", "--json").json
    assert [(of["hidden_width"], of["number"]) for of in found["trials"]] == [(8, 0), (64, 2)]
    assert found["without_pictures"] == [3]
    assert [(of["name"], of["width"]) for of in found["class_stops"]] == [("0", 512)]
    sheet = Path("x-atlas.html").read_text(encoding="utf-8")
    assert sheet.count("<img") == 10 * (1 + 2 * 2) and "<script" not in sheet
    assert "No pictures were kept of trial 3, the best of width 512." in cli("atlas", "x").out


def test_chosen_trials_are_compared_with_the_first(cli: Cli, store: Engine) -> None:
    add(store)
    found = cli("atlas", "x", 2, 0, "-o", "two.html", "--json").json
    assert [of["number"] for of in found["trials"]] == [2, 0]
    (apart,) = found["differences"]
    assert (apart["first"], apart["second"], apart["first_nearer"]) == (2, 0, 0.0)
    assert Path("two.html").read_text(encoding="utf-8").count("<img") == 10 * (1 + 2 + 3)


def test_a_trial_without_pictures_is_refused_with_those_that_have(cli: Cli, store: Engine) -> None:
    add(store)
    answer = cli("atlas", "x", 3)
    assert answer.code == 3
    assert "no pictures were kept of trial 3" in answer.err and "0, 2." in answer.err


def test_a_study_without_pictures_says_when_they_come(cli: Cli, study: int) -> None:
    answer = cli("atlas", "study")
    assert answer.code == 3 and "first trial that finishes" in answer.err
