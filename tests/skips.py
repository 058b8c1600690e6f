"""Pytest plugin: who is skipped where, and that CI skips nothing but what needs a GPU.

A skip in CI means that an install step is missing, so it fails like any broken test.
"""

import os
from collections.abc import Generator

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root_only") and os.geteuid() != 0:
        pytest.skip("needs root")
    if item.get_closest_marker("gpu") and not _has_cuda():
        pytest.skip("needs a CUDA device")


def _has_cuda() -> bool:
    import torch  # slow to load, so only when a test asks

    return torch.cuda.is_available()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.get_closest_marker("gpu") is None and not hasattr(report, "wasxfail"):
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
        report.longrepr = f"CI skips nothing but GPU tests. {reason}"
