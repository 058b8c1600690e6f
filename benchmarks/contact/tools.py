"""Run a tool of the machine on one of the benchmarks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

import psutil

from benchmarks.records import Records


class MissingToolError(Exception):
    """A tool is not installed on this machine."""


def find(records: Records, tool: str) -> str:
    """Return the path of a tool; record that it is missing and raise MissingToolError."""
    path = shutil.which(tool)
    if path is None:
        records.add("missing", tool=tool)
        raise MissingToolError(tool)
    return path


def run(
    command: Sequence[str], *, limit: float, environment: Mapping[str, str] | None = None
) -> str:
    """Run a command and return its output; kill it and its children after the time limit."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ | dict(environment or {}),
    )
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        output, _ = process.communicate()
    sys.stderr.write(output)
    return output
