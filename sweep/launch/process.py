"""The process of a worker on this machine: its command, device, environment and pipes.

It is quick to import and needs nothing of the worker's messages, so that a process can be started
before the rest of a command is loaded: it loads torch meanwhile.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO

#: Command of a worker's process; ``--device cpu`` or ``--device cuda`` follows.
COMMAND = (sys.executable, "-m", "sweep.worker")

#: The last of them begins PGPASSWORD and PGPASSFILE.
_NOT_FOR_WORKERS = ("SWEEP_STORAGE", "SWEEP_DASHBOARD_PASSWORD", "SWEEP_WEBHOOK", "PGPASS")


class WorkerProcess:
    """A child process for one worker, with the file that its stderr goes to."""

    def __init__(self, device: str, command: Sequence[str] = COMMAND) -> None:
        """Start the process. Raises OSError where there is no room for it or its files."""
        self.device = device
        self.command = tuple(command)
        self.stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the worker
        try:
            self.popen = subprocess.Popen(
                [*command, "--device", "cpu" if device == "cpu" else "cuda"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.stderr,
                env=_environment(device),
                start_new_session=True,  # out of the terminal's Ctrl-C
            )
        except OSError:
            self.stderr.close()
            raise

    def discard(self) -> None:
        """Kill the process and close its files; for a process that no worker used."""
        with self.popen, self.stderr:  # which waits, and closes its pipes
            self.popen.kill()


def without_passwords() -> dict[str, str]:
    """Return our environment without the variables that open a database or a page."""
    return {k: v for k, v in os.environ.items() if not k.startswith(_NOT_FOR_WORKERS)}


def _environment(device: str) -> dict[str, str]:
    environment = without_passwords()
    environment["CUDA_VISIBLE_DEVICES"] = "" if device == "cpu" else device
    # The deterministic cuBLAS workspace has to be chosen before CUDA starts.
    environment.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    # OpenMP's threads wait for one another by spinning, for milliseconds by default. On busy cores
    # a spinning thread takes the time that the other one needs: an epoch took ten times as long.
    environment.setdefault("GOMP_SPINCOUNT", "1000")
    return environment
