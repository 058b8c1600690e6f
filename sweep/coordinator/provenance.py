"""Collect the provenance of a run: versions of packages, commit of the code, and the machine."""

import platform
import subprocess
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sweep
from sweep.enums import Trainer
from sweep.errors import DeviceError
from sweep.nvml import cards

#: Folder of sweep's code.
CODE = Path(sweep.__file__).parent
_PACKAGES = ("optuna", "torch", "triton", "torchvision", "numpy", "sqlalchemy")


def collect_provenance(trainer: Trainer) -> dict[str, Any]:
    """Collect versions, the commit of a git checkout of sweep and this machine's NVIDIA cards.

    Versions are read without importing the packages.
    """
    return {
        "sweep": sweep.__version__,
        "trainer": trainer.value,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "git_commit": _git_commit(),
        "gpus": _gpus(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _gpus() -> list[dict[str, Any]] | str:
    """List this machine's cards, or return the driver's error: a run on the CPU needs no driver."""
    try:
        return [asdict(gpu) for gpu in cards() or ()]
    except DeviceError as error:
        return str(error)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """Return the commit of sweep's code; None if it was installed, whatever repository it is in."""
    try:
        _git("ls-files", "--error-unmatch", "__init__.py")
        commit = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit} with changes" if changed else commit


def _git(*arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], cwd=CODE, capture_output=True, text=True, timeout=10, check=True
    )
    return answer.stdout.strip()
