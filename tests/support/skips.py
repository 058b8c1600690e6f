"""Pytest plugin: what a test needs of its machine, and that nothing is skipped unseen.

Triton decides when it is loaded whether it compiles for a GPU or interprets on the CPU. Tests of
the fused trainer run in the interpreter where no GPU is in sight; tests marked ``gpu`` never do. In
CI a skip means that an install step is missing, so it fails like any broken test; but for tests
marked ``emulated``, which skip where Triton emits an instruction that the emulator does not know.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

#: One of these is there with a driver; under gVisor only the second is.
_DRIVER = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"))


def pytest_configure(config: pytest.Config) -> None:
    """Interpret kernels only where no GPU is in sight and none was asked for."""
    if not wants_gpu(config) and not sees_gpu():
        os.environ.setdefault("TRITON_INTERPRET", "1")


def wants_gpu(config: pytest.Config) -> bool:
    """Whether ``-m gpu`` asks for the tests that need a GPU."""
    return bool(re.search(r"(?<!not )\bgpu\b", config.getoption("markexpr") or ""))


def sees_gpu() -> bool:
    """Whether a GPU may be there, without loading torch: too many is better than too few."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    if any(path.exists() for path in _DRIVER):
        return True
    if shutil.which("nvidia-smi") is None:
        return False
    return subprocess.run(["nvidia-smi", "-L"], capture_output=True).returncode == 0


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root_only") and os.geteuid() != 0:
        pytest.skip("needs root")
    if item.get_closest_marker("gpu") and (lacks := _lacks_for_gpu()):
        # A run that selects these tests must not pass by skipping them.
        (pytest.fail if wants_gpu(item.config) else pytest.skip)(lacks)


def _lacks_for_gpu() -> str | None:
    """Return why a test of a GPU cannot run here, or None."""
    if not _has_cuda():
        return "needs a CUDA device, and torch sees none"
    if os.environ.get("TRITON_INTERPRET", "0") not in ("", "0"):
        return "needs a GPU, and TRITON_INTERPRET has kernels interpreted on the CPU: unset it"
    return None


def _has_cuda() -> bool:
    import torch  # slow to load, so only when a test asks

    return torch.cuda.is_available()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    may_skip = any(item.get_closest_marker(name) for name in ("gpu", "emulated"))
    if not may_skip and not hasattr(report, "wasxfail"):
        _refuse_skip_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip_in_ci(report)
    return report


def _refuse_skip_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI skips nothing but GPU and emulated tests. {reason}"
