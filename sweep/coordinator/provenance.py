"""What is needed to repeat a study, besides its file: versions, code, machine."""

import platform
import subprocess
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import sweep
from sweep.enums import Trainer
from sweep.errors import DeviceError
from sweep.nvml import cards

_PACKAGES = ("optuna", "torch", "triton", "torchvision", "numpy", "sqlalchemy")


def collect(trainer: Trainer) -> dict[str, Any]:
    """Versions without loading the packages, the git commit of the working folder if any, and
    this machine's NVIDIA cards as they are now."""
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
    """Of this machine; what its driver says instead, where that is at fault (a run on the CPU may
    do without it)."""
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
    try:
        commit = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit} with changes" if changed else commit


def _git(*arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return answer.stdout.strip()
