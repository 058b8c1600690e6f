"""What people wrote reaches a terminal as text, in every form of output."""

import json
import sys
from pathlib import Path

import pytest

from sweep.cli.words import escape
from tests.support.cli_runner import Cli
from tests.support.store_factories import sqlite_store
from tests.support.synthetic import add_study

#: C0, DEL, C1 and what turns the direction of a text.
CONTROLS = "\x1b]0;X\x07 \x08 \r \x7f \x9b31m \x85 \u202e \u2066 \u200f \u2028"


@pytest.fixture
def study(cli: Cli, tmp_path: Path) -> None:
    add_study(sqlite_store(tmp_path), "study", 3)
    assert cli("note", "study", f"é {CONTROLS}", "--trial", "0").code == 0


def controls_in(said: str) -> set[str]:
    return {sign for sign in said if not sign.isprintable() and sign not in "\n\t"}


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("line", ["note study --trial 0 --json", "export study --format json"])
def test_json_has_control_characters_escaped_and_says_the_same(line: str, cli: Cli) -> None:
    answer = cli(*line.split())
    assert controls_in(answer.out) == set()
    assert "é" in answer.out
    found = answer.json["trials"][0]["note"] if "export" in line else answer.json[0]["text"]
    assert found == f"é {CONTROLS}"


@pytest.mark.usefixtures("study")
def test_csv_is_cleaned_for_a_terminal_and_only_for_one(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" in cli("export", "study").out
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True, raising=False)
    answer = cli("export", "study")
    assert controls_in(answer.out) == set() and "é" in answer.out


def test_a_log_of_json_has_control_characters_escaped(cli: Cli, tmp_path: Path) -> None:
    sqlite_store(tmp_path)
    answer = cli("start", f"\u202e\x9b{'x' * 9}.toml", "--log-format", "json")
    assert answer.code == 4 and controls_in(answer.err) == set()


def test_what_is_escaped_is_the_same_json() -> None:
    text = json.dumps([CONTROLS, "é🙂"], ensure_ascii=False, indent=2)
    assert json.loads(escape(text)) == [CONTROLS, "é🙂"]
    assert controls_in(escape(text)) == set()
