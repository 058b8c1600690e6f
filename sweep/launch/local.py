"""Workers as processes of this machine, spoken to through their pipes."""

import errno
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from sweep.codec import decode, encode
from sweep.errors import DeviceError
from sweep.launch.launcher import Gone, Inbox
from sweep.launch.process import ANALYSIS_COMMAND, COMMAND, WorkerProcess
from sweep.messages import Heartbeat, Order
from sweep.worker.heartbeat import HEARTBEAT_SECONDS
from sweep.worker.watchdog import EXIT_CODE


class LocalWorker:
    """A child process; a thread of ours turns its lines into events, another writes its orders."""

    def __init__(self, name: str, inbox: Inbox, process: WorkerProcess) -> None:
        """Attach to a process that was started. Raises OSError without room for its threads."""
        self.name = name
        self.device = process.device
        self.host = socket.gethostname()
        self.pid = process.popen.pid
        self._inbox = inbox
        self._child = process
        self._process = process.popen
        #: Not yet in the pipe; None closes it.
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        try:
            for run in (self._read, self._write):
                threading.Thread(target=run, name=name, daemon=True).start()
        except RuntimeError as error:  # Python's way to say that there is no room for a thread
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

    def _write(self) -> None:
        # A worker that stalls does not empty its pipe, and must not hold up its coordinator.
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(OSError, ValueError):  # it has ended, which the reading thread reports
            while (order := self._next_order()) is not None:
                stdin.write(encode(order))
                stdin.flush()
        with suppress(OSError):
            stdin.close()

    def _next_order(self) -> Order | None:
        try:
            return self._orders.get(timeout=HEARTBEAT_SECONDS)
        except Empty:
            return Heartbeat()

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        unreadable = ""
        for line in stdout:
            try:
                event = decode(line)
            except ValueError:
                self._process.kill()
                if line.endswith(b"\n"):  # else its sender's death has cut it off
                    unreadable = f"ended, for it sent a line that cannot be read: {line[:80]!r}"
                break
            self._inbox.put((self.name, event))
        code, how = self._child.wait()
        stdout.close()  # a long study may start thousands of workers
        self._orders.put(None)
        gone = Gone(reason=unreadable or how, was_left_alone=code == EXIT_CODE)
        self._inbox.put((self.name, gone))


class LocalLauncher:
    """Starts one process a worker on this machine."""

    def __init__(
        self, command: Sequence[str] = COMMAND, ahead: list[WorkerProcess] | None = None
    ) -> None:
        """Use the processes in ``ahead`` first, and remove them from that list."""
        self.inbox: Inbox = SimpleQueue()
        self._command = command
        self._ahead = [] if ahead is None else ahead

    def start(self, name: str, device: str) -> LocalWorker:
        """Start a worker; raises DeviceError without room for its process, files or threads."""
        try:
            return LocalWorker(name, self.inbox, self._process(device))
        except OSError as error:
            raise DeviceError(
                f"no worker can be started on {device}: {error.strerror}. Fewer workers "
                "(--workers, --per-gpu) need fewer processes, files and less memory."
            ) from error

    def start_analysis(self, name: str) -> LocalWorker:
        return start_analysis(name, self.inbox)

    def _process(self, device: str) -> WorkerProcess:
        for process in self._ahead:
            if process.device == device:
                self._ahead.remove(process)
                return process
        return WorkerProcess(device, command=self._command)


def start_analysis(name: str, inbox: Inbox) -> LocalWorker:
    """Start the process that analyses networks.

    Raises DeviceError where this host has no room for it.
    """
    try:
        return LocalWorker(name, inbox, WorkerProcess("cpu", ANALYSIS_COMMAND))
    except OSError as error:
        raise DeviceError(
            f"the process that analyses networks cannot be started: {error.strerror}."
        ) from error
