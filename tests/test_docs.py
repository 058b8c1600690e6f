"""The pages say what the code does: generated ones are fresh, links lead somewhere."""

import re
from itertools import chain
from pathlib import Path

import pytest
from typer.main import get_command

from docs import (
    generate_api,
    generate_cli,
    generate_dashboard,
    generate_messages,
    generate_study_file,
)
from sweep import enums, errors
from sweep.catalogue.settings import SETTINGS
from sweep.cli.application import EXIT_CODES, app
from sweep.studyfile import load

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
STUDIES = sorted((ROOT / "studies").glob("*.toml"))
COMMANDS = {ctx.command_path: command for command, ctx in generate_cli.commands(get_command(app))}


@pytest.mark.parametrize(
    "generator",
    [generate_api, generate_cli, generate_dashboard, generate_messages, generate_study_file],
)
def test_a_generated_page_is_fresh(generator) -> None:
    stale = f"{generator.TARGET.name} is stale: run `make docs`"
    assert generator.TARGET.read_text(encoding="utf-8") == generator.render(), stale


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_links_between_pages_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    ours = [link for link in links if not link.startswith(("http://", "https://"))]
    assert [link for link in ours if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_says_what_it_does_and_has_an_example_to_paste(path: str) -> None:
    command = COMMANDS[path]
    assert command.help
    examples = generate_cli.examples(command)
    assert examples
    assert all(example.startswith(path) for example in examples)


@pytest.mark.parametrize("path", COMMANDS)
def test_a_paragraph_of_help_is_broken_by_the_terminal_alone(path: str) -> None:
    # Typer keeps the line breaks of all paragraphs but the first, between its own.
    assert not any("\n" in part for part in (COMMANDS[path].help or "").split("\n\n"))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_says_what_it_is_for(path: str) -> None:
    silent = [param.name for param in COMMANDS[path].params if not getattr(param, "help", None)]
    assert silent == []


def test_every_exit_code_is_documented() -> None:
    codes = {error.exit_code for error in vars(errors).values() if hasattr(error, "exit_code")}
    assert {0, 130, *codes} <= set(EXIT_CODES)


def test_commands_in_the_pages_exist() -> None:
    shown = chain.from_iterable(
        re.findall(r"(?:^|`|bin/|run --rm |; )sweep ([a-z]+(?: (?=[a-z]+\b)[a-z]+)?)", text, re.M)
        for text in (page.read_text(encoding="utf-8") for page in PAGES)
    )
    known = {path.removeprefix("sweep ").split()[0] for path in COMMANDS}
    assert {command.split()[0] for command in shown} <= known


def test_every_environment_variable_is_documented() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "sweep").rglob("*.py"))
    assert set(re.findall(r"\bSWEEP_[A-Z_]+\b", code)) == set(generate_cli.ENVIRONMENT)


@pytest.mark.parametrize(
    "name",
    [*SETTINGS, *enums.Activation, *enums.Optimizer, *enums.Loss, *enums.Sampler, *enums.Pruner],
)
def test_every_name_a_study_file_can_hold_is_documented(name: str) -> None:
    assert f"| `{name}` |" in generate_study_file.TARGET.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_is_valid_and_opens_with_its_command(path: Path) -> None:
    assert load(path).study.name == path.stem
    assert f"sweep start studies/{path.name}" in path.read_text(encoding="utf-8").split("\n\n")[0]


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_a_whole_study_file_in_a_page_is_valid(document: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for block in blocks:
        if "[study]" in block:
            (tmp_path / "study.toml").write_text(block, encoding="utf-8")
            load(tmp_path / "study.toml")


def test_the_map_of_the_house_is_that_of_the_tree() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    table = text.split("## Where do I change")[1].split("\n## ")[0]
    named = re.findall(r"`((?:sweep|tests)/[^`]+|pyproject\.toml)`", table)
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []
    packages = {path.parent.name for path in (ROOT / "sweep").glob("*/__init__.py")}
    assert set(re.findall(r"(?m)^\| `sweep/(\w+)`", text)) == packages
