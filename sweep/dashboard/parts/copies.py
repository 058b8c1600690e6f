"""A trial as text to paste: an entry of a study file, and commands."""

import shlex
from collections.abc import Mapping
from typing import Any

import tomlkit


def as_toml(settings: Mapping[str, Any]) -> str:
    """An ``[[enqueue]]`` entry that makes the same configuration run first in a study file."""
    return tomlkit.dumps({"enqueue": [dict(settings)]})


def show_command(study: str, number: int) -> str:
    """The command that shows the trial."""
    return f"sweep show {shlex.quote(study)} {number}"
