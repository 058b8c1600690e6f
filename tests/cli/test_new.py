"""new: a study file to begin with."""

import json
from pathlib import Path

import pytest

from sweep.studyfile import json_schema, load
from tests.support.cli_runner import Cli


@pytest.mark.usefixtures("forked_workers")
def test_a_new_study_file_reads_and_runs_dry_as_it_is(cli: Cli) -> None:
    answer = cli("new", "mine.toml")
    assert answer.code == 0
    assert answer.out == f"{Path('mine.toml').absolute()}\n"
    study_file = load(Path("mine.toml"))
    assert (study_file.study.name, study_file.data.name) == ("mine", "fashion-mnist-mini")
    plan = cli("start", "mine.toml", "--dry-run")
    assert plan.code == 0
    assert "20" in plan.out


def test_its_first_line_names_the_schema_beside_it(cli: Cli) -> None:
    cli("new")
    first = Path("study.toml").read_text().splitlines()[0]
    assert first.startswith("#:schema ./")
    schema = json.loads(Path(first.removeprefix("#:schema ./")).read_text())
    assert schema == json.loads(json.dumps(json_schema()))


def test_name_and_data_can_be_given_and_are_written_as_toml(cli: Cli) -> None:
    cli("new", "mine.toml", "--name", "first", "--data", './a "quoted" folder')
    study_file = load(Path("mine.toml"))
    assert (study_file.study.name, study_file.data.name) == ("first", './a "quoted" folder')


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("there.toml",), 2, "exists"),
        (("there.toml", "--name", "x"), 2, "exists"),
        (("folder",), 2, "is a folder"),
        (("nowhere/mine.toml",), 2, "no such folder"),
        (("/dev/null/mine.toml",), 10, "Write the study file to another folder: `sweep new "),
        (("a study.toml",), 4, "study.name"),
        (("mine.toml", "--data", "fashion-minst"), 4, "fashion-mnist"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_left(
    cli: Cli, words: tuple[str, ...], code: int, says: str
) -> None:
    Path("there.toml").write_text("mine")
    Path("folder").mkdir()
    before = sorted(Path().rglob("*"))
    answer = cli("new", *words)
    assert answer.code == code
    assert says in answer.err
    assert sorted(Path().rglob("*")) == before
    assert Path("there.toml").read_text() == "mine"


def test_a_file_of_the_schema_s_name_that_is_somebody_else_s_stays(cli: Cli) -> None:
    Path("sweep.schema.json").write_text("{}")
    assert cli("new", "mine.toml").code == 2
    assert Path("sweep.schema.json").read_text() == "{}"
    assert not Path("mine.toml").exists()
