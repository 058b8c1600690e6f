"""Start child processes: a worker of this machine, and Ray's driver.

This module imports quickly and needs none of the worker's messages, so that a process can be
started before the rest of a command is loaded; meanwhile it loads torch.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO, Any, Protocol

#: Command of a worker's process; ``--device cpu`` or ``--device cuda`` follows.
COMMAND: tuple[str, ...] = (sys.executable, "-m", "sweep.worker")
#: Command of the process that analyses networks; ``--device`` follows here too.
ANALYSIS_COMMAND: tuple[str, ...] = (sys.executable, "-m", "sweep.worker.analysis")

#: The last one is a prefix of PGPASSWORD and PGPASSFILE.
_NOT_FOR_WORKERS = ("SWEEP_STORAGE", "SWEEP_DASHBOARD_PASSWORD", "SWEEP_WEBHOOK", "PGPASS")
_LAST_WORDS_BYTES = 2000


class Process(Protocol):
    """The used part of ``subprocess.Popen``."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    @property
    def pid(self) -> int:
        """Return the process's id."""

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the process's end and return its exit status."""

    def kill(self) -> None:
        """Kill the process."""


class ChildProcess:
    """A child process outside the terminal's process group; its stderr goes to a file."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], **options: Any
    ) -> None:
        """Start it, without our passwords; the options are Popen's.

        Raises OSError without resources for the process or its files.
        """
        self.stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the process
        try:
            self.popen: Process = subprocess.Popen(
                command,
                **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **options},
                stderr=self.stderr,
                env={**_without_passwords(), **environment},
                start_new_session=True,  # out of reach of the terminal's Ctrl-C
            )
        except OSError:
            self.stderr.close()
            raise

    def discard(self) -> None:
        """Kill the process and close its files; for a process whose output is not read."""
        self.popen.kill()
        self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout, self.stderr):
            if stream is not None:
                stream.close()

    def wait(self) -> tuple[int, str]:
        """Wait for its end; return its exit code and how it ended, with the end of its stderr."""
        code = self.popen.wait()
        with self.stderr as stderr:
            stderr.seek(0, os.SEEK_END)
            stderr.seek(max(0, stderr.tell() - _LAST_WORDS_BYTES))
            lines = stderr.read().decode(errors="replace").strip().splitlines()
        said = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        return code, f"{said}: {lines[-1].strip()}" if lines and code > 0 else said


class WorkerProcess(ChildProcess):
    """The process of a worker of this machine, its device pinned before torch loads."""

    def __init__(self, device: str, command: Sequence[str] = COMMAND) -> None:
        self.device = device
        self.command = tuple(command)
        kind = "cpu" if device == "cpu" else "cuda"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        super().__init__([*command, "--device", kind], worker_environment(device), **pipes)


def worker_environment(device: str) -> dict[str, str]:
    """Return variables that pin the device and configure torch; set before torch loads."""
    return {
        "CUDA_VISIBLE_DEVICES": "" if device == "cpu" else device,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        # The deterministic cuBLAS workspace has to be chosen before CUDA starts.
        "CUBLAS_WORKSPACE_CONFIG": os.environ.get("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),
        # OpenMP's threads wait for each other by spinning, for milliseconds by default. On busy
        # cores a spinning thread takes the time that the other one needs: an epoch took ten times
        # as long.
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "1000"),
    }


def _without_passwords() -> dict[str, str]:
    """Return our environment without the variables that open a database or a page."""
    return {k: v for k, v in os.environ.items() if not k.startswith(_NOT_FOR_WORKERS)}
