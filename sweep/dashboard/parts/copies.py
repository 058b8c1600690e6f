"""A trial as text to paste: an entry of a study file, and commands."""

import shlex
from collections.abc import Mapping
from typing import Any

import tomlkit


def as_toml(settings: Mapping[str, Any]) -> str:
    """An ``[[enqueue]]`` entry that makes the same configuration run first in a study file."""
    return tomlkit.dumps({"enqueue": [dict(settings)]})


def enqueue_command(study: str, settings: Mapping[str, Any]) -> str:
    """The command that has the configuration run next."""
    given = [shlex.quote(f"{name}={_toml(value)}") for name, value in settings.items()]
    return " ".join(["sweep", "enqueue", shlex.quote(study), *given])


def show_command(study: str, number: int) -> str:
    """The command that shows the trial."""
    return f"sweep show {shlex.quote(study)} {number}"


def _toml(value: Any) -> str:
    # Names need no quotes on the command line.
    return value if isinstance(value, str) else tomlkit.item(value).as_string()
