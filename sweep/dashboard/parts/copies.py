"""Write a trial as text to paste: an entry of a study file, and commands."""

import shlex
from collections.abc import Mapping
from typing import Any

import tomlkit


def as_toml(settings: Mapping[str, Any]) -> str:
    """Write an ``[[enqueue]]`` entry that makes a study file try this configuration first."""
    return tomlkit.dumps({"enqueue": [dict(settings)]})


def show_command(study: str, number: int) -> str:
    """Write the command that shows the trial."""
    return f"sweep show {shlex.quote(study)} {number}"
