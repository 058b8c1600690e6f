"""Workers as processes of this machine, spoken to through their pipes."""

import errno
import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO

from sweep.codec import decode, encode
from sweep.errors import DeviceError
from sweep.launch.launcher import Gone, Inbox
from sweep.launch.process import COMMAND, WorkerProcess
from sweep.messages import Heartbeat, Order
from sweep.worker.heartbeat import HEARTBEAT_SECONDS
from sweep.worker.watchdog import EXIT_CODE

_LAST_WORDS_BYTES = 2000


class LocalWorker:
    """A child process; a thread of ours turns its lines into events, another writes its orders."""

    def __init__(self, name: str, inbox: Inbox, process: WorkerProcess) -> None:
        """Attach to a process that was started. Raises OSError without room for its threads."""
        self.name = name
        self.device = process.device
        self.host = socket.gethostname()
        self._inbox = inbox
        self._stderr = process.stderr
        self._process = process.popen
        self.pid = self._process.pid
        #: Not yet in the pipe; None ends them.
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        try:
            threading.Thread(target=self._listen, name=f"listen-{name}", daemon=True).start()
            threading.Thread(target=self._speak, name=f"speak-{name}", daemon=True).start()
        except RuntimeError as error:  # how Python tells that there is no room for a thread
            process.discard()
            raise OSError(errno.EAGAIN, str(error)) from error

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

    def __init__(
        self, command: Sequence[str] = COMMAND, ahead: list[WorkerProcess] | None = None
    ) -> None:
        """Use the processes in ``ahead`` first, and remove them from that list."""
        self.inbox: Inbox = SimpleQueue()
        self._command = command
        self._ahead = [] if ahead is None else ahead

    def start(self, name: str, device: str) -> LocalWorker:
        """Raises DeviceError where this machine has no room for another process or its files."""
        try:
            return LocalWorker(name, self.inbox, self._process(device))
        except OSError as error:
            raise DeviceError(
                f"no worker can be started on {device}: {error.strerror}. Fewer workers "
                "(--workers, --per-gpu) need fewer processes, files and less memory."
            ) from error

    def _process(self, device: str) -> WorkerProcess:
        for process in self._ahead:
            if process.device == device:
                self._ahead.remove(process)
                return process
        return WorkerProcess(device, command=self._command)
