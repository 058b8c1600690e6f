"""probe: what codes tell of the labels, kept or computed from kept weights."""

from pathlib import Path

from sweep.config import TrialConfig
from sweep.store import artifacts, read
from sweep.store.engine import Engine
from sweep.store.schema import sweep_probes
from tests.cli_runner import Cli
from tests.factories import make_images, write_dataset
from tests.store_factories import PROBE, add_rows, add_study, add_trial
from tests.trainer_factories import SHORT, make_data, train


def test_the_best_of_each_width_is_told_with_a_verdict(cli: Cli, store: Engine) -> None:
    assert cli("probe", "x").code == 3
    trial_id = add_trial(store, add_study(store, "x"), 0, 0.1, config=TrialConfig(hidden_width=64))
    assert "No trial was looked into yet" in cli("probe", "x").out
    add_rows(store, sweep_probes, {"trial_id": trial_id, "probe": PROBE})
    out = " ".join(cli("probe", "x").out.split())
    assert "64 0 0.1000 75.0 % 70.0 % 65.0 % 60.0 % 80.0 % 85.0 %" in out
    assert "No code tells the labels as well as the pixels." in out
    found = cli("probe", "x", "--json").json
    assert found["worth"] == "no code tells the labels as well as the pixels"
    assert found["trials"][0]["code"] == {"linear": 0.75, "neighbours": 0.7}


def test_the_best_of_a_width_whose_look_was_lost_is_named_with_what_would_do(
    cli: Cli, store: Engine
) -> None:
    # Its worker was killed after its result and before its look.
    study_id = add_study(store, "x")
    for number, width in enumerate([64, 256]):
        trial_id = add_trial(store, study_id, number, 0.1, config=TrialConfig(hidden_width=width))
        if number == 0:
            add_rows(store, sweep_probes, {"trial_id": trial_id, "probe": PROBE})
    out = " ".join(cli("probe", "x").out.split())
    assert "not looked into (yet): 1. A look that is cut short" in out
    assert cli("probe", "x", "--json").json["unseen"] == [1]


def study_with_weights(store: Engine, folder: Path) -> None:
    """Trial 0 has its weights kept, trial 1 has not; neither was looked into."""
    images = make_images()
    path = write_dataset(folder / "images", images)
    data = {"name": str(path), "validation_fraction": 0.2, "split_seed": 0}
    study_id = add_study(store, "x", settings={"data": data}, dataset=str(path))
    content = train(SHORT, make_data(images)).result().weights
    assert content is not None
    target = artifacts.artifact_path(store.url, "kept")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    add_trial(store, study_id, 0, 0.1, config=SHORT, artifact_id="kept")
    add_trial(store, study_id, 1, 0.1, config=SHORT)


def test_kept_weights_are_looked_into_once(cli: Cli, store: Engine, tmp_path: Path) -> None:
    study_with_weights(store, tmp_path)
    found = cli("probe", "x", 0, "--json").json["trials"][0]
    kept = read.trial(store, "x", 0)
    assert kept.probe is not None and kept.decomposition is not None
    assert kept.probe["code"] == found["code"] and found["n_test"] == 40
    artifacts.artifact_path(store.url, "kept").unlink()
    assert cli("probe", "x", 0, "--json").json["trials"][0] == found


def test_without_weights_there_is_nothing_to_look_into(
    cli: Cli, store: Engine, tmp_path: Path
) -> None:
    study_with_weights(store, tmp_path)
    answer = cli("probe", "x", 1)
    assert answer.code == 3
    assert "weights of trial 1 of study 'x' were not kept. Kept: trials 0." in answer.err
    assert "study with `study.probe = true`" in answer.err


def test_other_images_than_those_it_was_trained_on_are_refused(
    cli: Cli, store: Engine, tmp_path: Path
) -> None:
    study_with_weights(store, tmp_path)
    write_dataset(tmp_path / "images", make_images(seed=1))
    answer = cli("probe", "x", 0)
    assert answer.code == 9
    assert "Put the old files back" in answer.err
