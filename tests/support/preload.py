"""Libraries in C that are loaded before others, to put faults under a real process."""

import shutil
import subprocess
from pathlib import Path

import pytest


def preload_library(source: str, folder: Path) -> Path:
    """Compile a file beside this one to a library for LD_PRELOAD; skip without a compiler."""
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("needs a C compiler: apt-get install gcc libc6-dev")
    path = (folder / source).with_suffix(".so")
    command = [compiler, "-shared", "-fPIC", "-o", path, Path(__file__).with_name(source), "-ldl"]
    subprocess.run(command, check=True)
    return path
