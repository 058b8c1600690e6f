"""Write a trial as text to paste: commands, and an entry of a study file."""

import shlex
from collections.abc import Mapping
from typing import Any

import tomlkit


def enqueue_command(study: str, settings: Mapping[str, Any]) -> str:
    """Return the command that runs a configuration next."""
    given = [as_argument(name, value) for name, value in settings.items()]
    return " ".join(["sweep", "enqueue", shlex.quote(study), *given])


def as_argument(name: str, value: Any) -> str:
    """Return a setting as a command-line argument."""
    return shlex.quote(f"{name}={_toml(value)}")


def as_toml(settings: Mapping[str, Any]) -> str:
    """Write an ``[[enqueue]]`` entry that makes a study file try this configuration first."""
    return tomlkit.dumps({"enqueue": [dict(settings)]})


def show_command(study: str, number: int) -> str:
    """Write the command that shows the trial."""
    return f"sweep show {shlex.quote(study)} {number}"


def _toml(value: Any) -> str:
    # Names need no quotes on the command line.
    return value if isinstance(value, str) else tomlkit.item(value).as_string()
