"""Workers as processes of this machine, spoken to through their pipes."""

import errno
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO

from sweep.errors import DeviceError
from sweep.launch.launcher import Gone, Inbox
from sweep.trial import Heartbeat, Order
from sweep.wire import decode, encode
from sweep.worker.heartbeat import HEARTBEAT_SECONDS
from sweep.worker.orphan import EXIT_CODE

_LAST_WORDS_BYTES = 2000
#: The last of them begins PGPASSWORD and PGPASSFILE.
_NOT_FOR_WORKERS = ("SWEEP_STORAGE", "SWEEP_DASHBOARD_PASSWORD", "SWEEP_WEBHOOK", "PGPASS")

#: What a worker's process runs; ``--device cpu`` or ``--device cuda`` follows.
COMMAND = (sys.executable, "-m", "sweep.worker")


class LocalWorker:
    """A child process; a thread of ours turns its lines into events, another writes its orders."""

    def __init__(
        self, name: str, device: str, inbox: Inbox, command: Sequence[str] = COMMAND
    ) -> None:
        self.name = name
        self.device = device
        self.host = socket.gethostname()
        self._inbox = inbox
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the worker
        try:
            self._process = self._begin(command)
        except OSError:
            self._stderr.close()
            raise
        self.pid = self._process.pid
        #: Not yet in the pipe; None ends them.
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        try:
            threading.Thread(target=self._listen, name=f"listen-{name}", daemon=True).start()
            threading.Thread(target=self._speak, name=f"speak-{name}", daemon=True).start()
        except RuntimeError as error:  # how Python tells that there is no room for a thread
            with self._process, self._stderr:  # which waits, and closes its pipes
                self._process.kill()
            raise OSError(errno.EAGAIN, str(error)) from error

    def _begin(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*command, "--device", "cpu" if self.device == "cpu" else "cuda"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=_environment(self.device),
            start_new_session=True,  # out of the terminal's Ctrl-C
        )

    def send(self, order: Order) -> None:
        self._orders.put(order)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout_seconds: float) -> bool:
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _speak(self) -> None:
        # A worker that stands still does not empty its pipe, and must not hold up its coordinator.
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(OSError, ValueError):  # it is gone: its Gone is on the way
            while (order := self._next_order()) is not None:
                stdin.write(encode(order))
                stdin.flush()
        with suppress(OSError):
            stdin.close()

    def _next_order(self) -> Order | None:
        """Or, when there is none for a while, a sign of life."""
        try:
            return self._orders.get(timeout=HEARTBEAT_SECONDS)
        except Empty:
            return Heartbeat()

    def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        nonsense = ""
        for line in stdout:
            try:
                event = decode(line)
            except ValueError:
                self._process.kill()
                if line.endswith(b"\n"):  # else its sender's death has cut it off
                    nonsense = f"ended, for it sent a line that cannot be read: {line[:80]!r}"
                break
            self._inbox.put((self.name, event))
        code = self._process.wait()
        stdout.close()  # a long study may start thousands of workers
        self._orders.put(None)
        said = ending(code, self._stderr)
        self._inbox.put(
            (self.name, Gone(reason=nonsense or said, was_left_alone=code == EXIT_CODE))
        )


def ending(code: int, stderr: IO[bytes]) -> str:
    """How a process ended, with its last words; closes what it wrote them to."""
    said = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, stderr.tell() - _LAST_WORDS_BYTES))
    lines = stderr.read().decode(errors="replace").strip().splitlines()
    stderr.close()
    return f"{said}: {lines[-1].strip()}" if lines and code > 0 else said


class LocalLauncher:
    """One process a worker, its device pinned before torch loads."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self.inbox: Inbox = SimpleQueue()
        self._command = command

    def start(self, name: str, device: str) -> LocalWorker:
        """Raises DeviceError where this machine has no room for another process or its files."""
        try:
            return LocalWorker(name, device, self.inbox, self._command)
        except OSError as error:
            raise DeviceError(
                f"no worker can be started on {device}: {error.strerror}. Fewer workers "
                "(--workers, --per-gpu) need fewer processes, files and less memory."
            ) from error


def without_passwords() -> dict[str, str]:
    """Our environment for those who need no database and serve no page: no way there either."""
    return {k: v for k, v in os.environ.items() if not k.startswith(_NOT_FOR_WORKERS)}


def _environment(device: str) -> dict[str, str]:
    environment = without_passwords()
    environment["CUDA_VISIBLE_DEVICES"] = "" if device == "cpu" else device
    # The deterministic cuBLAS workspace has to be chosen before CUDA starts.
    environment.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    # OpenMP's threads wait for one another by spinning, some milliseconds unless told. Where others
    # want the cores too, each burns what the other one needs: an epoch took ten times as long.
    environment.setdefault("GOMP_SPINCOUNT", "1000")
    return environment
