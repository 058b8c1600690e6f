"""Import the module of a command when the command is used: importing all takes seconds."""

import ast
from collections.abc import Mapping
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class LazyCommand(NamedTuple):
    """A command whose module is not imported yet."""

    #: Module of this package, and its function; a trailing underscore is not in the name.
    path: str
    #: Lines to paste.
    example: str
    panel: str | None = None

    @property
    def name(self) -> str:
        """The name on the command line."""
        return self.path.partition(".")[2].removesuffix("_")

    def load(self) -> Any:
        """Import the module and create the command."""
        module, _, function = self.path.partition(".")
        callback = getattr(import_module(f"sweep.cli.{module}"), function)
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
        epilog = "\n".join(f"Example: {line}" for line in self.example.splitlines())
        about = unwrap(callback.__doc__ or "")
        alone.command(self.name, help=about, epilog=epilog, rich_help_panel=self.panel)(callback)
        return typer.main.get_command(alone)

    def create_listed(self) -> TyperCommand:
        """Create a command for the list of commands, without importing its module."""
        module, _, function = self.path.partition(".")
        tree = ast.parse(Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8"))
        found = {of.name: of for of in tree.body if isinstance(of, ast.FunctionDef)}
        about = unwrap(ast.get_docstring(found[function]) or "")
        return TyperCommand(
            self.name, help=about, rich_markup_mode="rich", rich_help_panel=self.panel
        )


def unwrap(about: str) -> str:
    """Join each paragraph to one line: Typer keeps the line breaks of all except the first."""
    return "\n\n".join(" ".join(part.split()) for part in cleandoc(about).split("\n\n"))


class LazyGroup(TyperGroup):
    """A group of lazy commands, as click's documentation has it."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """List the names of all commands."""
        return [*dict.fromkeys((*self.lazy, *self.commands))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Create and return a command; None for an unknown one."""
        if cmd_name in self.lazy and cmd_name not in self.commands:
            self.commands[cmd_name] = self.lazy[cmd_name].load()
        return super().get_command(ctx, cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, for which no module is imported."""
        self._list_all()
        super().format_help(ctx, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command of these arguments; an error names similar commands."""
        if args[0] not in self.lazy:
            self._list_all()
        return super().resolve_command(ctx, args)

    def _list_all(self) -> None:
        for name, command in self.lazy.items():
            self.commands.setdefault(name, command.create_listed())


def group_of(*commands: LazyCommand) -> type[LazyGroup]:
    """Create a group class for these commands, as Typer takes it."""
    return type("Commands", (LazyGroup,), {"lazy": {of.name: of for of in commands}})
