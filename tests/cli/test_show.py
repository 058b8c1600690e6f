"""show and compare."""

import re

import pytest

from sweep.analysis.floors import Floors
from sweep.store import annotate
from sweep.store.engine import Engine, write_transaction
from sweep.store.schema import (
    sweep_decompositions,
    sweep_results,
    sweep_trials,
)
from tests.support.cli_runner import Cli
from tests.support.store_factories import (
    DECOMPOSITION,
    PROBE,
    add_probe,
    add_rows,
    add_study,
    add_trial,
    change_study_file,
)


def test_show_has_settings_metrics_and_the_curve(cli: Cli, study: int) -> None:
    out = cli("show", "study", 1).out
    assert "1 of study 'study'" in out
    assert re.search(r"gelu +searched", out)
    assert re.search(r"batch_size +128\s", out)
    assert "20.00 dB" in out
    assert any(line.split()[:3] == ["2", "0.1000", "0.01000"] for line in out.splitlines())


@pytest.mark.parametrize(
    ("dataset", "first", "last"),
    [("fashion-mnist-mini", "T-shirt/top 0.01000", "Ankle boot 0.1000"),
     ("./a-folder", "0 0.01000", "9 0.1000")],
)  # fmt: skip
def test_show_names_the_classes_whose_errors_it_tells(
    cli: Cli, study: int, store: Engine, dataset: str, first: str, last: str
) -> None:
    errors = [0.01 * place for place in range(1, 11)]
    with write_transaction(store) as connection:
        connection.execute(sweep_trials.update().values(per_class_mse=errors))
    change_study_file(store, "study", {"data": {"name": dataset}})
    said = " ".join(cli("show", "study", 0).out.split())
    assert f"Test error by class {first}" in said
    assert last in said


def test_show_leaves_out_settings_that_mean_nothing(cli: Cli, study: int) -> None:
    out = cli("show", "study", 0).out
    assert "beta1" in out
    assert "momentum" not in out
    assert "warmup_epochs" not in out


def test_show_tells_how_the_network_ended(cli: Cli, study: int, store: Engine) -> None:
    assert "dead units" not in cli("show", "study", 0).out
    said = {
        **{"dead_share": 0.25, "saturated_share": 0.0, "stuck_share": 0.5},
        **{"encoder_norm": 8.5, "decoder_norm": 9.5},
    }
    row = {"trial_id": 1, "seed_index": 0, "seed": 5, "diagnostics": said}
    add_rows(store, sweep_results, row)
    out = cli("show", "study", 0).out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "dead units 25.0 % no image activates them" in lines
    assert "norms of the weights 8.500, 9.500 encoder, decoder" in lines


def test_pixels_of_which_nearly_all_are_exact_are_not_called_all(
    cli: Cli, study: int, store: Engine
) -> None:
    with write_transaction(store) as connection:
        connection.execute(sweep_trials.update().values(exact_pixel_share=0.9999))
    assert "exact_pixel_share > 99.9 %" in " ".join(cli("show", "study", 0).out.split())


def test_show_tells_what_a_network_is_made_of(cli: Cli, study: int, store: Engine) -> None:
    assert "effective rank" not in cli("show", "study", 0).out
    values = [1.25 - 0.125 * i for i in range(10)]
    found = {**DECOMPOSITION, "end_to_end": values}
    add_probe(store, 1)
    add_rows(store, sweep_decompositions, {"trial_id": 1, "decomposition": found})
    lines = [" ".join(line.split()) for line in cli("show", "study", 0).out.splitlines()]
    assert "effective rank of the code 7.500 directions in use, of 784 units" in lines
    listed = "1.25 1.12 1.00 0.875 0.750 0.625 0.500 0.375 … 0.125"
    assert f"10 singular values end to end {listed} 1 copies a direction unchanged" in lines
    assert "PCA 65.0±1.5 60.0±1.5 70.0±1.4 58.5±1.9 54.0±1.9 63.0±1.8" in lines
    said = cli("show", "study", 0, "--json").json
    assert (said["decomposition"], said["probe"]) == (found, PROBE)


def test_show_sets_a_trial_beside_the_floors_of_its_data(
    cli: Cli, study: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "as good as PCA" not in cli("show", "study", 0).out
    curve = (*(0.04 * (1 - k / 784) for k in range(784)), 0.0)
    known = Floors(
        data_key="key",
        train_pca_mse=curve,
        val_pca_mse=curve,
        test_pca_mse=curve,
        train_entropy=0.2,
        val_entropy=0.2,
        test_entropy=0.2,
    )
    monkeypatch.setattr("sweep.cli.show.study_floors", lambda *_: known)
    found = cli("show", "study", 0, "--json").json
    measured = {of["name"]: of for of in found["measured"]}
    components = measured["pca_components"]["value"]
    assert curve[components] <= found["test_mse"] < curve[components - 1]
    said = " ".join(cli("show", "study", 0).out.split())
    assert f"as good as PCA with {components} components" in said


def test_show_tells_what_limits_a_trial_and_how_its_curves_ended(cli: Cli, study: int) -> None:
    out = cli("show", "study", 0).out
    assert "It has too few epochs: twice the epochs would lower the error by " in out
    assert "The excess loss" not in out  # cross-entropy, without its floors
    assert "0.10 times as high on test images as on training images" in cli("show", "study", 1).out
    ended = cli("show", "study", 0, "--json").json["diagnosis"]
    assert (ended["limit"], ended["loss_gap"]) == ("too few epochs", None)
    assert ended["gains"]["epochs"]["source"] == "its last doubling of epochs"
    assert "It has" not in cli("show", "study", 4).out


def test_show_says_why_a_trial_ended(cli: Cli, study: int) -> None:
    out = cli("show", "study", 3).out
    assert "fail, diverged" in out
    assert "loss became NaN" in out


def test_show_has_a_trial_that_has_not_begun(cli: Cli, study: int) -> None:
    assert "waiting" in cli("show", "study", 4).out


def test_show_as_json_has_everything(cli: Cli, study: int, store: Engine) -> None:
    annotate.note(store, "study", "odd", 0)
    found = cli("show", "study", 0, "--json").json
    assert [point["val_mse"] for point in found["curve"]] == [0.05, 0.03, 0.02]
    assert found["notes"][0]["text"] == "odd"
    assert found["config"]["loss"] == "bce"
    assert found["artifact_id"] is None


@pytest.mark.parametrize("number", [5, 2**31 - 1])
def test_a_trial_that_is_not_there_is_named_with_those_that_are(
    cli: Cli, study: int, number: int
) -> None:
    answer = cli("show", "study", number)
    assert answer.code == 3
    assert "its trials are 0 to 4" in answer.err


@pytest.mark.parametrize("number", ["-1", "1e9", "2147483648", "9" * 40, "", "seven", "²"])
def test_a_number_that_is_none_is_a_usage_error(cli: Cli, study: int, number: str) -> None:
    answer = cli("show", "study", number)
    assert answer.code == 2
    assert answer.err.startswith("sweep: ")


def test_compare_marks_what_differs(cli: Cli, study: int) -> None:
    lines = cli("compare", "study", 0, 1).out.splitlines()
    assert any(line.split() == ["hidden_width", "*", "784", "512"] for line in lines)
    assert any(line.startswith("epochs  ") for line in lines)
    assert any(line.split() == ["val_mse", "0.02000", "0.01000"] for line in lines)


def test_compare_as_json_lists_the_differences(cli: Cli, study: int) -> None:
    found = cli("compare", "study", 0, 1, "--json").json
    names = ["hidden_width", "activation", "learning_rate", "loss", "seeds"]
    assert found["differences"] == names
    assert [trial["number"] for trial in found["trials"]] == [0, 1]


def test_compare_takes_trials_that_have_nothing_yet(cli: Cli, study: int) -> None:
    assert cli("compare", "study", 0, 4, 3).code == 0


def test_compare_takes_trials_of_several_studies_and_whole_studies(
    cli: Cli, study: int, store: Engine
) -> None:
    add_trial(store, add_study(store, "other"), 3, 0.5)
    found = cli("compare", "study:1", "other:3", "--json").json
    assert [(of["study_name"], of["number"]) for of in found["trials"]] == [
        ("study", 1),
        ("other", 3),
    ]
    assert "other:3" in cli("compare", "study:1", "other:3").out
    whole = cli("compare", "study", "other", "--json").json
    assert whole["studies"] == ["study", "other"]
    assert whole["headline"] in cli("compare", "study", "other").out.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("study", "study:1"), 2, "trials or studies, not both"),
        (("study:x", "study:1"), 2, "'x' is not a trial number"),
        (("study:0", "nothing:1"), 3, "nothing"),
        (("study:0", "study:99"), 3, "99"),
    ],
)
def test_compare_says_what_it_takes(
    cli: Cli, study: int, arguments: tuple[str, ...], code: int, said: str
) -> None:
    answer = cli("compare", *arguments)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err


@pytest.mark.parametrize("numbers", [(0,), (0, 0)])
def test_compare_needs_two_trials(cli: Cli, study: int, numbers: tuple[int, ...]) -> None:
    assert cli("compare", "study", *numbers).code == 2
