"""Pytest plugin: worker processes that share one loading of torch, which takes 2 s of a core each.

They are forked ahead, as those of ``sweep start`` are, but once for many tests. For tests in whose
process a study runs, and that are about its results; those of how workers are started start them.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sweep.launch.process import WorkerProcess

#: Forked at a time; an idle one takes next to no memory.
N_WORKERS, N_ANALYSES = 12, 2


class IdleWorkers:
    """Forked processes that wait for their first order; more are forked when they run out."""

    def __init__(self) -> None:
        self._idle: list[WorkerProcess] = []

    def take(self, device: str, command: tuple[str, ...]) -> "WorkerProcess":
        """Return an idle process of this command; start one if it cannot be forked."""
        from sweep.launch.preload import NAMES
        from sweep.launch.process import WorkerProcess

        if device != "cpu" or command not in NAMES:
            return WorkerProcess(device, command)
        if not any(process.command == command for process in self._idle):
            self._fork()
        process = next(process for process in self._idle if process.command == command)
        self._idle.remove(process)
        return process

    def _fork(self) -> None:
        from sweep.launch.preload import preload
        from sweep.launch.process import ANALYSIS_COMMAND, COMMAND
        from tests.support.processes import wait_for

        with pytest.MonkeyPatch.context() as patch:
            # Not the folder and the settings of the test that needs them first.
            patch.chdir(Path(__file__).parent)
            for name in [name for name in os.environ if name.startswith("SWEEP_")]:
                patch.delenv(name)
            patch.setenv("SWEEP_DATA", os.devnull)
            patch.setenv("TRITON_INTERPRET", "1")  # they may train with the fused trainer
            self._idle += preload([COMMAND] * N_WORKERS + [ANALYSIS_COMMAND] * N_ANALYSES)
        # Until they are forked, killing one kills all of them. Without torch they end instead.
        wait_for(lambda: all(of.popen.pid or of.popen.poll() is not None for of in self._idle))

    def lend(self, patch: pytest.MonkeyPatch) -> None:
        """Have every local launcher of this process use them, and start no others ahead."""
        patch.setattr("sweep.launch.local.WorkerProcess", self.take)
        patch.setattr("sweep.launch.resources.start_processes", lambda devices, *, probe=False: [])

    def discard(self) -> None:
        for process in self._idle:
            process.discard()


@pytest.fixture(scope="session")
def idle_workers() -> Iterator[IdleWorkers]:
    workers = IdleWorkers()
    yield workers
    workers.discard()


@pytest.fixture
def forked_workers(idle_workers: IdleWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies that run in this process train in forked workers."""
    idle_workers.lend(monkeypatch)
