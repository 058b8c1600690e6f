"""note, tag, invalidate, delete, report, reconstruct, floors, doctor, data, db, schema."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sweep.cli.application import EXIT_CODES
from sweep.cli.options import INTERRUPTED
from sweep.config import TrialConfig
from sweep.store import summaries
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.schema import sweep_leases
from tests.support.cli_runner import Cli
from tests.support.second_revision import outdate
from tests.support.store_factories import add_explanation, add_rows, lease_row


def test_notes_and_tags_are_shown_where_trials_are(cli: Cli, study: int) -> None:
    assert cli("note", "study", "a fine one", "--trial", 1).code == 0
    assert cli("tag", "study", "keep", "--trial", 1).code == 0
    row = cli("best", "study", "--json").json[0]
    assert (row["note"], row["tags"]) == ("a fine one", ["keep"])
    assert cli("tag", "study", "keep", "--trial", 1, "--remove").code == 0
    assert cli("best", "study", "--json").json[0]["tags"] == []
    assert cli("note", "study", "--trial", 1, "--json").json[0]["text"] == "a fine one"


def test_an_invalid_trial_leaves_best_and_comes_back(cli: Cli, study: int) -> None:
    cli("invalidate", "study", 1, "--reason", "the disk was full")
    assert [row["number"] for row in cli("best", "study", "--json").json] == [0]
    assert "the disk was full" in cli("show", "study", 1).out
    cli("invalidate", "study", 1, "--undo")
    assert [row["number"] for row in cli("best", "study", "--json").json] == [1, 0]


def test_a_blank_reason_is_none(cli: Cli, study: int) -> None:
    cli("invalidate", "study", 1, "--reason", "  ")
    assert cli("show", "study", 1, "--json").json["invalid_reason"] is None


def test_delete_asks_and_does_nothing_without_an_answer(cli: Cli, study: int) -> None:
    assert cli("delete", "study").code == 2
    assert cli("status", "study").code == 0
    assert cli("delete", "study", "--yes").code == 0
    assert cli("status", "study").code == 3


def test_delete_names_the_studies_that_explain_what_is_gone(
    cli: Cli, study: int, store: Engine
) -> None:
    baseline = TrialConfig()
    add_explanation(store, "study", baseline, TrialConfig(epochs=9), {baseline: (0.1,)})
    assert "`sweep delete study-explain`" in cli("delete", "study", "--yes").err
    assert "which explains" not in cli("delete", "study-explain", "--yes").err


def test_a_study_that_runs_cannot_be_deleted(cli: Cli, study: int, store: Engine) -> None:
    add_rows(store, sweep_leases, lease_row(study, expires_at=4e9))
    assert cli("delete", "study", "--yes").code == 7
    assert open_study(store, "study").summary()


@pytest.mark.parametrize(
    "command",
    [
        ("status", "stdy"),
        ("best", "stdy"),
        ("trials", "stdy"),
        ("show", "stdy", 0),
        ("compare", "stdy", 0, 1),
        ("export", "stdy"),
        ("report", "stdy"),
        ("stop", "stdy"),
        ("pause", "stdy"),
        ("resume", "stdy"),
        ("enqueue", "stdy", "hidden_width=8"),
        ("note", "stdy", "text"),
        ("tag", "stdy", "text"),
        ("invalidate", "stdy", 0),
        ("delete", "stdy", "--yes"),
        ("reconstruct", "stdy", 0, "-o", "x.png"),
    ],
)
def test_a_study_that_is_not_there_is_code_3_and_the_near_one_named(
    cli: Cli, study: int, command: tuple[object, ...]
) -> None:
    answer = cli(*command)
    assert answer.code == 3
    assert "'study'" in answer.err


@pytest.mark.parametrize("command", [("list",), ("status", "x"), ("report", "x"), ("stop", "x")])
def test_without_a_store_it_is_code_5_and_none_is_made(
    cli: Cli, tmp_path: Path, command: tuple[str, ...]
) -> None:
    answer = cli(*command)
    assert answer.code == 5 and "no study store at sweep.db" in answer.err
    assert not list(tmp_path.iterdir())


def test_a_report_goes_to_stdout_alone(cli: Cli, study: int, tmp_path: Path) -> None:
    answer = cli("report", "study", "-o", "-")
    assert answer.out.startswith("<!doctype html>") and answer.out.endswith("</html>")
    assert not answer.err and not Path("-").exists()


def test_report_writes_one_file_and_prints_where(cli: Cli, study: int, tmp_path: Path) -> None:
    answer = cli("report", "study", "-o", "page.html")
    assert answer.out.strip() == str(tmp_path / "page.html")
    assert "<!doctype html>" in Path("page.html").read_text().lower()


@pytest.mark.torch
@pytest.mark.usefixtures("forked_workers")
def test_reconstruct_applies_the_weights_that_were_kept(cli: Cli) -> None:
    Path("tiny.toml").write_text(
        'study.name = "tiny"\ndata.train_limit = 128\nspace.hidden_width = {low = 2, high = 4}\n'
        "space.epochs = 1\nbudget.trials = 2\n"
    )
    assert cli("start", "tiny.toml", "--gpus", "cpu").code == 0
    best = cli("best", "tiny", "-n", 1, "--json").json[0]["number"]
    answer = cli("reconstruct", "tiny", "--first", 4, "-o", "out.png", "--json")
    assert answer.json["number"] == best
    with Image.open("out.png") as picture:
        assert picture.width > 4 * 28


def test_reconstruct_without_weights_names_the_trials_that_have_some(cli: Cli, study: int) -> None:
    answer = cli("reconstruct", "study", 0, "-o", "out.png")
    assert answer.code == 3 and "weights" in answer.err
    assert not Path("out.png").exists()


def test_floors_fall_with_the_width(cli: Cli) -> None:
    found = cli("floors", "fashion-mnist-mini", "--widths", "8,64,784", "--json").json
    errors = [row["test_mse"] for row in found["pca"]]
    assert errors == sorted(errors, reverse=True) and errors[-1] == pytest.approx(0, abs=1e-9)
    for row in found["pca"][:2]:
        assert row["train_mse"] == pytest.approx(row["val_mse"], rel=0.1)
        assert row["clipped_test_mse"] < row["test_mse"]


@pytest.mark.parametrize("widths", ["a", "785", "-1", "1.5", ","])
def test_widths_that_are_none_are_a_usage_error(cli: Cli, widths: str) -> None:
    assert cli("floors", "fashion-mnist-mini", "--widths", widths).code == 2


def test_data_list_has_the_bundled_set(cli: Cli) -> None:
    found = {row["name"]: row for row in cli("data", "list", "--json").json}
    assert found["fashion-mnist-mini"]["state"] == "bundled"


def test_prepare_checks_a_folder_of_files_before_it_takes_them(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"junk")
    answer = cli("data", "prepare", "mnist", "--from", tmp_path)
    assert answer.code == 9


def test_db_init_makes_the_tables_once_and_again(cli: Cli) -> None:
    assert cli("db", "init").code == 0
    assert cli("db", "init").code == 0
    assert cli("db", "upgrade").code == 0
    assert cli("list").code == 0


def test_db_upgrade_upgrades_the_tables_of_an_older_version(
    cli: Cli, store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outdate(store, tmp_path, monkeypatch)
    refused = cli("list")
    assert refused.code == 5
    assert "sweep db upgrade" in refused.err
    assert cli("db", "upgrade").code == 0
    assert cli("list").code == 0


def test_the_schema_is_json_and_knows_the_sections(cli: Cli) -> None:
    schema = json.loads(cli("schema").out)
    assert {"study", "data", "space", "sampler", "pruner", "budget"} <= set(schema["properties"])


@pytest.mark.usefixtures("forked_workers")
def test_doctor_looks_at_everything(cli: Cli, study: int) -> None:
    answer = cli("doctor", "--json")
    found = {row["what"] for row in answer.json}
    assert {"torch", "database"} <= found
    assert answer.code == 0


# --- from the outside -----------------------------------------------------------------------

NO_TORCH = """
import sys
from sweep.cli.entry import run
for command in sys.argv[1:]:
    code = run(command.split())
    heavy = {"torch", "plotly", "dash"} & set(sys.modules)
    if heavy or code:
        sys.exit(f"{command}: code {code}, loads {heavy}")
"""
COMMANDS = (
    "--help",
    "start --help",
    "list",
    "status study",
    "best study",
    "trials study",
    "show study 0",
)


@pytest.mark.usefixtures("study")
def test_looking_never_loads_torch(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH, *COMMANDS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_help_lists_every_exit_code(cli: Cli) -> None:
    out = cli("--help").out
    for code in EXIT_CODES:
        assert f"{code}  " in out


@pytest.mark.parametrize("command", ["export study --format csv", "list", "--help"])
def test_a_pipe_that_nobody_reads_is_no_bug(study: int, tmp_path: Path, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "sweep", *command.split()],
        cwd=tmp_path,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


# Python raises it wherever it is, also half-way through reading the modules.
INTERRUPTED_EARLY = """
import builtins
from sweep.cli import main
real = builtins.__import__
def interrupted(name, *rest):
    if name == "typer":
        raise KeyboardInterrupt
    return real(name, *rest)
builtins.__import__ = interrupted
main()
"""


def test_ctrl_c_before_the_command_is_read_shows_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_EARLY], capture_output=True)
    assert (done.returncode, done.stderr) == (INTERRUPTED, b"")


def test_something_unexpected_is_one_line_and_no_traceback(
    cli: Cli, study: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("at hunter2")

    monkeypatch.setattr(summaries, "study_list", broken)
    monkeypatch.setenv("SWEEP_STORAGE", "sqlite:///sweep.db")
    answer = cli("list")
    assert answer.code == 1
    assert len(answer.err.splitlines()) == 1 and "SWEEP_TRACEBACK=1" in answer.err


def test_bytes_that_are_no_text_are_a_usage_error(cli: Cli, study: int) -> None:
    answer = cli("note", "study", os.fsdecode(b"\xff"))
    assert (answer.code, len(answer.err.splitlines())) == (2, 1)


def test_a_message_cannot_rewrite_the_terminal(cli: Cli, study: int) -> None:
    answer = cli("status", "a\x1b[2Jb")
    assert answer.code == 3
    assert "\x1b" not in answer.err


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_output_is_written_to_nowhere(study: int, tmp_path: Path, closed: str) -> None:
    command = f"{sys.executable} -m sweep list {closed}"
    assert subprocess.run(command, shell=True, cwd=tmp_path, check=False).returncode == 0


def test_a_full_disk_behind_stdout_is_code_10(study: int, tmp_path: Path) -> None:
    command = f"{sys.executable} -m sweep list > /dev/full"
    assert subprocess.run(command, shell=True, cwd=tmp_path, check=False).returncode == 10


def test_a_table_never_cuts_a_number_to_fit_the_terminal(
    cli: Cli, study: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert "0.01000" in cli("best", "study").out.splitlines()[1]


def test_studies_are_copied_to_another_database(cli: Cli, study: int) -> None:
    copied = cli("db", "copy", "sqlite:///sweep.db", "sqlite:///other.db")
    assert copied.code == 0
    assert "study 'study' is copied: 5 trials" in copied.err
    there = ("--storage", "sqlite:///other.db", "--json")
    assert cli("trials", "study", *there).json == cli("trials", "study", "--json").json
    again = cli("db", "copy", "sqlite:///sweep.db", "sqlite:///other.db", "--study", "study")
    assert (again.code, "holds 'study' already" in again.err) == (2, True)
    assert cli("db", "copy", "sqlite:///absent.db", "sqlite:///other.db").code == 5


def test_a_store_is_not_copied_to_itself(cli: Cli, study: int) -> None:
    # It was told to make room by `sweep delete`, of the only copy.
    answer = cli("db", "copy", "sqlite:///sweep.db", f"sqlite:///{Path.cwd()}/sweep.db")
    assert answer.code == 2
    assert "is both SRC and DST. Name another database" in answer.err
    assert "delete" not in answer.err
