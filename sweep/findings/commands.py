"""Write commands as a person would type them."""

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


def _toml(value: Any) -> str:
    # Names need no quotes on the command line.
    return value if isinstance(value, str) else tomlkit.item(value).as_string()
