"""analyse: what codes tell of the labels, stored or computed from kept weights."""

from dataclasses import replace
from pathlib import Path

import pytest

from sweep.config import TrialConfig
from sweep.store import artifacts
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.cli_runner import Cli
from tests.support.factories import make_images, write_dataset
from tests.support.store_factories import add_probe, add_study, add_trial
from tests.support.trainer_factories import SHORT, make_data, train


def test_the_best_of_each_width_is_shown_with_a_verdict(cli: Cli, store: Engine) -> None:
    assert cli("analyse", "x").code == 3
    trial_id = add_trial(store, add_study(store, "x"), 0, 0.1, config=TrialConfig(hidden_width=64))
    assert "No probe results yet." in cli("analyse", "x").out
    add_probe(store, trial_id, width=64)
    out = " ".join(cli("analyse", "x").out.split())
    assert "64 0 code 75.0±1.4 70.0±1.4 80.0±1.3" in out
    assert (
        "No code predicts the labels as well as the pixels. The code of 64 units (trial 0)" in out
    )
    found = cli("analyse", "x", "--json").json
    assert found["verdict"] == "no code predicts the labels as well as the pixels"
    assert found["shown"] == 0
    assert found["sentences"][0].startswith("No code predicts the labels as well as the pixels.")
    of_code = found["table"][0]
    assert (of_code["number"], of_code["features"]) == (0, "code")
    told = {"linear_all": 0.75, "neighbours_all": 0.7, "network_all": 0.8}
    assert told.items() <= of_code.items()


def test_the_best_of_a_width_without_weights_is_named_with_what_would_do(
    cli: Cli, store: Engine
) -> None:
    study_id = add_study(store, "x")
    for number, width in enumerate([64, 256]):
        trial_id = add_trial(store, study_id, number, 0.1, config=TrialConfig(hidden_width=width))
        if number == 0:
            add_probe(store, trial_id, width=64)
    out = " ".join(cli("analyse", "x").out.split())
    assert "without weights to analyse: 1." in out and "`study.probe = true`" in out
    assert "weights to analyse: 1." in cli("analyse", "x", "--json").json["sentences"][1]


def study_with_weights(store: Engine, folder: Path, n_kept: int = 1) -> None:
    """The first trials, of different widths, have their weights kept, the last one has not."""
    images = make_images()
    path = write_dataset(folder / "images", images)
    data = {"name": str(path), "validation_fraction": 0.2, "split_seed": 0}
    provenance = {"data_sha256": images.sha256}
    study_id = add_study(store, "x", settings={"data": data}, provenance=provenance)
    for number in range(n_kept):
        config = replace(SHORT, hidden_width=8 * 2**number)
        content = train(config, make_data(images)).result().weights
        assert content is not None
        target = artifacts.artifact_path(store.url, f"kept-{number}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        add_trial(store, study_id, number, 0.1, config=config, artifact_id=f"kept-{number}")
    add_trial(store, study_id, n_kept, 0.2, config=SHORT)


def test_kept_weights_are_analysed_once(cli: Cli, store: Engine, tmp_path: Path) -> None:
    study_with_weights(store, tmp_path)
    found = cli("analyse", "x", 0, "--json").json["table"][0]
    kept = open_study(store, "x").trial(0)
    assert kept.probe is not None and kept.decomposition is not None
    shares = {f"{name}_all": share for name, share in kept.probe["code"]["all_labels"].items()}
    assert shares.items() <= found.items() and kept.probe["n_test"] == 40
    artifacts.artifact_path(store.url, "kept-0").unlink()
    assert cli("analyse", "x", 0, "--json").json["table"][0] == found


def test_all_that_is_missing_is_analysed_but_for_what_cannot_be(
    cli: Cli, store: Engine, tmp_path: Path
) -> None:
    study_with_weights(store, tmp_path, n_kept=3)
    artifacts.artifact_path(store.url, "kept-0").unlink()
    answer = cli("analyse", "x")
    assert answer.code == 3 and "kept-0" in answer.err
    assert [open_study(store, "x").trial(n).probe is not None for n in range(3)] == [
        False,
        True,
        True,
    ]
    assert "analysing networks: 3 of 3" in answer.err


def test_without_weights_there_is_nothing_to_analyse(
    cli: Cli, store: Engine, tmp_path: Path
) -> None:
    study_with_weights(store, tmp_path)
    answer = cli("analyse", "x", 1)
    assert answer.code == 3
    assert "weights of trial 1 of study 'x' were not kept. Kept: trials 0." in answer.err
    assert "study with `study.probe = true`" in answer.err


def test_other_images_than_those_it_was_trained_on_are_refused(
    cli: Cli, store: Engine, tmp_path: Path
) -> None:
    study_with_weights(store, tmp_path)
    write_dataset(tmp_path / "images", make_images(seed=1))
    answer = cli("analyse", "x", 0)
    assert answer.code == 9
    assert "Restore the old files" in answer.err


@pytest.mark.parametrize("is_probed", [False, True])
def test_weights_that_are_no_longer_the_best_go_when_they_are_analysed(
    cli: Cli, store: Engine, tmp_path: Path, is_probed: bool
) -> None:
    # Of a study that keeps all weights until their analysis, and whose coordinator is gone.
    study_with_weights(store, tmp_path)
    images = make_images()
    content = train(SHORT, make_data(images)).result().weights
    assert content is not None
    worse = artifacts.artifact_path(store.url, "worse")
    worse.write_bytes(content)
    study_id = open_study(store, "x").summary().study_id
    add_trial(store, study_id, 2, 0.3, config=SHORT, artifact_id="worse")
    assert cli("analyse", "x", *([2] if is_probed else [0])).code == 0
    assert worse.exists() is not is_probed
    assert (open_study(store, "x").trial(2).artifact_id is None) is is_probed
    assert open_study(store, "x").trial(0).artifact_id == "kept-0"
