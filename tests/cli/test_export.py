"""export."""

import csv
import io
import json
from pathlib import Path

import polars
import pytest
import tomlkit

from sweep.store import annotate
from sweep.store.engine import Engine
from tests.support.cli_runner import Cli
from tests.support.store_factories import add_study, add_trial


def test_csv_has_a_line_a_trial(cli: Cli, study: int) -> None:
    rows = list(csv.DictReader(io.StringIO(cli("export", "study").out)))
    assert [row["number"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert rows[1]["params_learning_rate"] == "0.003"
    assert rows[1]["hidden_width"] == "512"
    assert rows[3]["outcome"] == "diverged"
    assert rows[4]["value"] == ""


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_only_trials_that_meet_the_conditions_are_written(
    cli: Cli, study: int, tmp_path: Path, form: str
) -> None:
    file = tmp_path / f"some.{form}"
    told = cli("export", "study", "--where", "value<0.03", "--format", form, "-o", file)
    assert told.err == f"2 trials in {file}\n"
    if form == "json":
        numbers = [trial["number"] for trial in json.loads(file.read_text())["trials"]]
    else:
        numbers = getattr(polars, f"read_{form}")(file)["number"].to_list()
    assert numbers == [0, 1]


def test_conditions_that_cannot_be_read_write_nothing(cli: Cli, study: int, tmp_path: Path) -> None:
    told = cli("export", "study", "--where", "valeu<0.03", "-o", tmp_path / "some.csv")
    assert told.code == 2 and "value" in told.err
    assert not list(tmp_path.glob("some*"))


def test_csv_cells_that_a_spreadsheet_would_run_are_quoted(
    cli: Cli, study: int, store: Engine
) -> None:
    for number, note in enumerate(["=1+1", "+1+1", "-2+3", "@SUM(A1)", "plain, with a comma"]):
        annotate.note(store, "study", note, number)
    rows = csv.DictReader(io.StringIO(cli("export", "study").out))
    notes = [row["note"] for row in rows]
    assert notes == ["'=1+1", "'+1+1", "'-2+3", "'@SUM(A1)", "plain, with a comma"]


def test_csv_has_no_infinity(cli: Cli, store: Engine) -> None:
    add_trial(store, add_study(store), 0, float("inf"), val_mse=None, test_mse=None)
    (row,) = csv.DictReader(io.StringIO(cli("export", "study").out))
    assert row["value"] == ""


def test_json_has_the_study_its_file_and_the_curves(cli: Cli, study: int) -> None:
    found = cli("export", "study", "--format", "json").json
    assert found["study"]["study_name"] == "study"
    assert found["study_file"].startswith("[study]")
    assert [point["val_mse"] for point in found["trials"][1]["curve"]] == [0.04, 0.01]
    assert found["trials"][1]["decomposition"] is None


def test_the_study_file_in_json_has_the_trials_of_now(cli: Cli, store: Engine) -> None:
    add_study(store, settings={"budget": {"trials": 30}}, n_trials=36)
    found = cli("export", "study", "--format", "json").json
    assert tomlkit.parse(found["study_file"]).unwrap()["budget"] == {"trials": 36}


def test_a_file_is_written_whole_and_named(cli: Cli, study: int, tmp_path: Path) -> None:
    answer = cli("export", "study", "--format", "json", "-o", "study.json")
    assert (answer.code, answer.out) == (0, "")
    assert str(tmp_path / "study.json") in answer.err
    assert len(json.loads((tmp_path / "study.json").read_text())["trials"]) == 5
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_is_no_file_to_write_to(cli: Cli, study: int, tmp_path: Path) -> None:
    assert cli("export", "study", "-o", tmp_path).code == 2


def test_a_folder_that_is_not_there_is_a_usage_error(cli: Cli, study: int) -> None:
    answer = cli("export", "study", "-o", "nowhere/study.csv")
    assert answer.code == 2
    assert "no such folder" in answer.err


def test_a_place_where_nothing_can_be_written_is_code_10(cli: Cli, study: int) -> None:
    answer = cli("export", "study", "-o", "/proc/study.csv")
    assert answer.code in (2, 10)  # the kernel says "no such file" or "permission denied"
    assert "/proc" in answer.err


def test_an_unknown_format_is_a_usage_error(cli: Cli, study: int) -> None:
    answer = cli("export", "study", "--format", "xml")
    assert answer.code == 2
    assert "csv" in answer.err


def test_a_setting_under_several_choices_is_one_column(cli: Cli, store: Engine) -> None:
    study = add_study(store)
    for number, name in enumerate(("adam.learning_rate", "sgd.learning_rate")):
        add_trial(store, study, number, 0.1, params={name: 0.01 * (number + 1)})
    rows = list(csv.DictReader(io.StringIO(cli("export", "study").out)))
    assert [row["params_learning_rate"] for row in rows] == ["0.01", "0.02"]
    assert [name for name in rows[0] if "." in name] == []


def test_parquet_has_the_columns_of_the_csv_with_their_types(
    cli: Cli, study: int, tmp_path: Path
) -> None:
    answer = cli("export", "study", "--format", "parquet", "-o", "x.parquet")
    assert (answer.code, answer.out) == (0, "")
    frame = polars.read_parquet(tmp_path / "x.parquet")
    header = next(csv.reader(io.StringIO(cli("export", "study").out)))
    assert frame.columns == header
    assert frame.schema["params_hidden_width"] == polars.Int64
    assert frame["number"].to_list() == [0, 1, 2, 3, 4]


def test_parquet_needs_a_file(cli: Cli, study: int) -> None:
    answer = cli("export", "study", "--format", "parquet")
    assert answer.code == 2 and "name it with -o FILE" in answer.err
