"""next: the study file that follows from a study's advice."""

import json
from pathlib import Path

import pytest

from sweep.store.engine import Engine
from sweep.studyfile import load, loads
from tests.support import planted as plants
from tests.support.cli_runner import Cli
from tests.support.planted import Plant, bowl, draw, slope
from tests.support.store_factories import add_study

PLANT = Plant(terms={"learning_rate": bowl(1.3, 4.0), "hidden_width": slope(0.8)})


@pytest.fixture
def planted(store: Engine) -> Engine:
    """A study ``planted`` whose best learning rates lie beyond its range."""
    plants.store(store, draw(PLANT, "random", 60, 0), PLANT)
    return store


@pytest.mark.usefixtures("forked_workers")
def test_the_next_study_is_written_and_runs_dry(cli: Cli, planted: Engine) -> None:
    answer = cli("next", "planted", "-o", "next.toml")
    assert answer.code == 0
    assert "changed: " in answer.out and "space.learning_rate" in answer.out
    assert "`sweep start next.toml`" in answer.out
    assert load(Path("next.toml")).study.name == "planted-2"
    assert cli("start", "next.toml", "--dry-run").code == 0


@pytest.mark.parametrize("words", [(), ("-o", "-")])
def test_stdout_has_the_file_alone(cli: Cli, planted: Engine, words: tuple[str, ...]) -> None:
    answer = cli("next", "planted", "--name", "wider", *words)
    assert loads(answer.out, "stdout").study.name == "wider"
    assert "space.learning_rate" in answer.err


def test_findings_have_the_advice_with_its_command(cli: Cli, planted: Engine) -> None:
    (rate, *_) = cli("findings", "planted", "--json").json["advice"]
    assert rate["kind"] == "widen"
    assert rate["changes"] == {"learning_rate": {"low": 0.0001, "high": 1.0, "log": True}}
    assert json.dumps(rate["evidence"])
    shown = cli("findings", "planted", "--storage", "sqlite:///sweep.db").out
    assert f"  {rate['sentence']} `{rate['command']} --storage sqlite:///sweep.db`\n" in shown


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("plantd",), 3, "Did you mean 'planted'"),
        (("empty",), 2, "no finished trial to learn from"),
        (("planted", "--name", "empty"), 2, "study 'empty' exists"),
        (("planted", "--name", "a name"), 4, "study.name"),
        (("planted", "-o", "folder"), 2, "is a folder"),
        (("planted", "-o", "nowhere/next.toml"), 2, "no such folder"),
        (("planted", "-o", "sweep.db"), 2, "sweep.db exists. Name another file"),
    ],
)
def test_what_cannot_be_written_says_why_and_leaves_nothing(
    cli: Cli, planted: Engine, words: tuple[str, ...], code: int, says: str
) -> None:
    add_study(planted, "empty")
    Path("folder").mkdir()
    answer = cli("next", *words)
    assert answer.code == code
    assert says in answer.err
    assert answer.out == ""
    assert not list(Path().rglob("*.toml"))
