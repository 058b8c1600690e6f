"""Run workers as processes of this machine, connected by pipes."""

import socket
import subprocess
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from sweep.codec import EVENTS, ORDERS
from sweep.errors import DeviceError
from sweep.launch.launcher import Gone, Inbox
from sweep.launch.link import ChildLink
from sweep.launch.process import ANALYSIS_COMMAND, COMMAND, WorkerProcess
from sweep.messages import Heartbeat, Order
from sweep.worker.watchdog import EXIT_CODE


class LocalWorker:
    """A child process whose lines are turned into events."""

    def __init__(self, name: str, inbox: Inbox, process: WorkerProcess) -> None:
        """Attach to a process that was started. Raises OSError if its threads cannot be started."""
        self.name = name
        self.device = process.device
        self.host = socket.gethostname()
        self._inbox = inbox
        self._process = process.popen
        self._link = ChildLink[Order](
            process,
            encode=ORDERS.encode,
            heartbeat=Heartbeat(),
            receive=lambda line: inbox.put((name, EVENTS.decode(line))),
            ended=self._report_end,
        )

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    def send(self, order: Order) -> None:
        """Send an order without waiting for the worker to read it."""
        self._link.send(order)

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the process's end; return whether it ended in time."""
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _report_end(self, code: int | None, how: str) -> None:
        self._inbox.put((self.name, Gone(reason=how, was_left_alone=code == EXIT_CODE)))


class LocalLauncher:
    """Starts one process per worker on this machine."""

    def __init__(
        self, command: Sequence[str] = COMMAND, ahead: list[WorkerProcess] | None = None
    ) -> None:
        """Use the processes in ``ahead`` first, and remove them from that list."""
        self.inbox: Inbox = SimpleQueue()
        self._command = tuple(command)
        self._ahead = [] if ahead is None else ahead

    def start(self, name: str, device: str) -> LocalWorker:
        """Start a worker. Raises DeviceError if resources for its process or threads run out."""
        try:
            process = self._process(device, self._command)
            return LocalWorker(name, self.inbox, process)
        except OSError as error:
            raise DeviceError(
                f"no worker can be started on {device}: {error.strerror}. Fewer workers "
                "(--workers, --per-gpu) need fewer processes, files and less memory."
            ) from error

    def start_analysis(self, name: str) -> LocalWorker:
        """Start the process that analyses networks."""
        return start_analysis(name, self.inbox, self._process)

    def _process(self, device: str, command: Sequence[str]) -> WorkerProcess:
        for process in self._ahead:
            if (process.device, process.command) == (device, command):
                self._ahead.remove(process)
                return process
        return WorkerProcess(device, command)


def start_analysis(
    name: str,
    inbox: Inbox,
    start: Callable[[str, Sequence[str]], WorkerProcess] = WorkerProcess,
) -> LocalWorker:
    """Start the process that analyses networks.

    ``start`` starts a process on a device with a command. Raises DeviceError if this host lacks
    resources for it.
    """
    try:
        return LocalWorker(name, inbox, start("cpu", ANALYSIS_COMMAND))
    except OSError as error:
        raise DeviceError(
            f"the process that analyses networks cannot be started: {error.strerror}."
        ) from error
