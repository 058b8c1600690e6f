"""model and encode: a trained network outside of sweep."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

import sweep
from sweep import datasets
from sweep.cli import model
from sweep.store.artifacts import artifact_folder, write_artifact
from sweep.store.engine import Engine, write_transaction
from sweep.store.schema import sweep_trials
from tests.support.cli_runner import Cli
from tests.support.factories import write_dataset
from tests.support.trainer_factories import train


@pytest.fixture
def kept(store: Engine, study: int) -> bytes:
    """The weights of trial 1 of ``study``, which are of another shape than its settings say."""
    content = train().result().weights
    assert content is not None
    artifact_id = write_artifact(artifact_folder(store.url), "study", 1, content)
    with write_transaction(store) as connection:
        connection.execute(
            sweep_trials.update().where(sweep_trials.c.number == 1).values(artifact_id=artifact_id)
        )
    return content


def test_the_best_model_is_written_with_a_program_that_loads_it(cli: Cli, kept: bytes) -> None:
    answer = cli("model", "study")
    assert answer.code == 0
    assert [Path(line).name for line in answer.out.split()] == ["study-1.safetensors", "study-1.py"]
    assert Path("study-1.safetensors").read_bytes() == kept
    assert "Trial 1 of study 'study'" in Path("study-1.py").read_text()


def test_keras_and_another_folder(cli: Cli, kept: bytes) -> None:
    for _ in range(2):  # the folder is there the second time
        found = cli("model", "study", 1, "--keras", "-o", "models", "--json").json
    assert found["number"] == 1
    assert [Path(file).name for file in found["files"]][-1] == "study-1-keras.py"
    assert {Path(file).parent.name for file in found["files"]} == {"models"}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("study", 0), 3, "Kept: trials 1. `sweep model study 0 --train` trains it again."),
        (("study", 99), 3, "99"),
        (("stdy",), 3, "Did you mean 'study'"),
        (("study", 1, "-o", "nowhere/models"), 2, "nowhere: no such folder"),
        (("study", 1, "-o", "file"), 2, "file is a file"),
    ],
)
def test_a_model_that_cannot_be_written_says_why(
    cli: Cli, kept: bytes, words: tuple[object, ...], code: int, says: str
) -> None:
    Path("file").touch()
    answer = cli("model", *words)
    assert answer.code == code and says in answer.err
    assert not Path("study-1.py").exists()


def test_a_study_without_weights_says_when_some_are_kept(cli: Cli, study: int) -> None:
    answer = cli("model", "study")
    assert answer.code == 3 and "best trial of each width" in answer.err


def test_damaged_weights_are_code_9(cli: Cli, kept: bytes, store: Engine) -> None:
    (file,) = artifact_folder(store.url).iterdir()
    file.write_bytes(kept[:20])
    assert cli("model", "study").code == 9


def test_a_file_of_weights_bears_the_name_of_its_trial(kept: bytes, store: Engine) -> None:
    (file,) = artifact_folder(store.url).iterdir()
    assert file.name.startswith("study-1-") and file.suffix == ".safetensors"
    assert len(file.name) <= 64


def test_encode_writes_codes_of_train_and_test_images(
    cli: Cli, kept: bytes, tmp_path: Path
) -> None:
    write_dataset(tmp_path / "tiny")
    answer = cli("encode", "study", 1, "./tiny", "-o", "codes.npz", "--json")
    assert answer.code == 0
    assert answer.json["shapes"]["train"] == [120, 8]
    with np.load("codes.npz", allow_pickle=False) as codes:
        assert codes["test"].shape == (40, 8) and codes["test"].dtype == np.float32
        assert codes["test_labels"].shape == (40,)


def test_the_codes_of_the_best_that_is_kept_need_no_number(
    cli: Cli, kept: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = datasets.load(str(write_dataset(tmp_path / "tiny")))
    monkeypatch.setattr(model, "study_images", lambda _: data)
    assert cli("encode", "study", "--json").json["number"] == 1
    assert Path("study-1-codes.npz").exists()


def test_images_of_another_size_are_refused(cli: Cli, kept: bytes) -> None:
    answer = cli("encode", "study", 1, "fashion-mnist-mini", "-o", "codes.npz")
    assert answer.code == 9 and "6 x 6" in answer.err
    assert not Path("codes.npz").exists()


def test_a_file_of_weights_loads_without_a_database(cli: Cli, kept: bytes) -> None:
    cli("model", "study")
    network = sweep.load_model("study-1.safetensors")
    weights = load_file("study-1.safetensors")
    assert network.encode(weights["decoder.weight"].T).shape == (8, 8)
    with pytest.raises(sweep.SweepError, match=r"nothing\.safetensors"):
        sweep.load_model("nothing.safetensors")
    Path("other.safetensors").write_text(json.dumps({}))
    with pytest.raises(sweep.SweepError, match="not the weights of a trial"):
        sweep.load_model("other.safetensors")
