"""Writes docs/cli.md from the commands' own help. `make docs` runs it."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.main import get_command

from sweep.cli.application import EXIT_CODES, app
from sweep.cli.options import LARGEST

TARGET = Path(__file__).with_name("cli.md")

EXAMPLE = "Example: "
_LINES = textwrap.TextWrapper(100, break_long_words=False, break_on_hyphens=False)

Command = TyperCommand | TyperGroup

INTRODUCTION = """\
<!-- Written by `make docs`; change docs/generate_cli.py or a command's own help instead. -->

# Commands

Results go to standard output, progress and messages to standard error. Every command that reads has
`--json`, with Optuna's words as keys. `sweep COMMAND --help` shows the same.
"""

ENVIRONMENT = {
    "SWEEP_STORAGE": "the database, where `--storage` is not given: `sqlite:///sweep.db` (the "
    "default) or `postgresql://user@host/database`",
    "SWEEP_STORAGE_PASSWORD_FILE": "a file with the database's password, which then need not be "
    "in the URL",
    "SWEEP_ARTIFACTS": "the folder for kept weights; by default `FILE.artifacts` beside an SQLite "
    "file, otherwise `sweep-artifacts`",
    "SWEEP_DATA": "the folder for data sets; by default one in the user's cache folder",
    "SWEEP_DASHBOARD_PASSWORD": "what `sweep dashboard` asks for; needed for another `--host`",
    "SWEEP_DASHBOARD_PASSWORD_FILE": "a file with that password",
    "SWEEP_WEBHOOK": "where `sweep start` and `resume` tell of new bests and the end, where "
    "`--webhook` is not given",
    "SWEEP_WEBHOOK_SECRET": "what signs that: `whsec_` and base64, or any text",
    "SWEEP_WEBHOOK_SECRET_FILE": "a file with that secret",
    "SWEEP_TRACEBACK": "set to 1, shows where an unexpected error came from",
}


def render() -> str:
    """The page, as it should be."""
    root = get_command(app)
    assert isinstance(root, TyperCommand | TyperGroup)
    pages = ["\n".join(_page(command, context)) for command, context in commands(root)]
    contents = [f"- [`{ctx.command_path}`](#{_anchor(ctx)})" for _, ctx in commands(root)]
    return "\n".join(
        [INTRODUCTION, *contents, "", *pages, "\n".join(_environment()), "\n".join(_exit_codes())]
    )


def commands(root: Command) -> Iterator[tuple[Command, typer.Context]]:
    """Every command that does something, in the order of the help."""
    yield from _walk(root, typer.Context(root, info_name="sweep"))


def _walk(command: Command, context: typer.Context) -> Iterator[tuple[Command, typer.Context]]:
    if not isinstance(command, TyperGroup):
        yield command, context
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert isinstance(inner, TyperCommand | TyperGroup)
        if not inner.hidden:
            yield from _walk(inner, typer.Context(inner, info_name=name, parent=context))


def _page(command: Command, context: typer.Context) -> Iterator[str]:
    yield f"## `{context.command_path}`\n"
    for paragraph in (command.help or "").split("\n\n"):
        yield f"{_LINES.fill(paragraph)}\n"
    yield "```sh"
    yield " ".join([context.command_path, "[OPTIONS]", *_arguments(command)])
    yield "```\n"
    yield "| | |"
    yield "|---|---|"
    for param in command.params:
        if record := param.get_help_record(context):
            yield f"| `{_cell(_name(param, record[0]))}` | {_cell(record[1])} |"
    yield ""
    yield "```sh"
    yield from examples(command)
    yield "```\n"


def _arguments(command: Command) -> list[str]:
    return [_metavar(param) for param in command.params if isinstance(param, TyperArgument)]


def _metavar(argument: TyperArgument) -> str:
    name = argument.metavar or str(argument.name).upper()
    return name if argument.required else f"[{name}]"


def _name(param: object, shown: str) -> str:
    """An argument by what stands for it, an option with its value; not by the name of a type."""
    if isinstance(param, TyperArgument):
        return _metavar(param)
    shown = re.sub(r" <([^>]*\|[^>]*)>", r" \1", shown)
    return re.sub(r" <[^>]*>", " N", re.sub(r" <(str|path)>", " VALUE", shown))


def examples(command: Command) -> list[str]:
    """The lines to paste that end a command's help."""
    lines = (command.epilog or "").splitlines()
    return [line.removeprefix(EXAMPLE) for line in lines if line.startswith(EXAMPLE)]


def _cell(text: str) -> str:
    """On one line, and without what only fills it: brackets in brackets, the largest integer."""
    line = " ".join(text.split()).replace("|", "\\|")
    return re.sub(r"default: \((.*?)\)", r"default: \1", line).replace(f"<={LARGEST}", "")


def _anchor(context: typer.Context) -> str:
    return context.command_path.replace(" ", "-")


def _environment() -> Iterator[str]:
    yield "## Environment\n"
    yield "| variable | |"
    yield "|---|---|"
    yield from (f"| `{name}` | {text} |" for name, text in ENVIRONMENT.items())
    yield ""


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| code | means |"
    yield "|---|---|"
    yield from (f"| {code} | {text} |" for code, text in EXIT_CODES.items())
    yield ""


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
