"""Workers on the hosts of a Ray cluster, from the coordinator's side.

    coordinator ── RayLauncher ──socket── driver ── ActorProxy ── Ray ── WorkerActor
    one host                                                             any host

Ray terminates the process that joined a cluster when the cluster's head is lost, without a word to
Python. So the coordinator does not join: its driver, a child process, does, and a lost cluster is
the end of the driver. This module does not import Ray.
"""

import atexit
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import Pipe
from queue import Empty, SimpleQueue
from typing import NamedTuple

from sweep.errors import DeviceError, SweepError
from sweep.launch.devices import ClusterResources
from sweep.launch.launcher import Gone, Inbox, Lost
from sweep.launch.local import LocalWorker, start_analysis
from sweep.launch.process import ChildProcess
from sweep.messages import Event, Order, Shutdown
from sweep.worker.heartbeat import HEARTBEAT_SECONDS

#: How long Ray may take to leave its cluster.
END_SECONDS = 15.0
#: The host of a worker that Ray has not placed yet.
NO_HOST = "no host yet"
#: In place of a worker's name, of what is about all of them.
ALL_WORKERS = "-"

#: The driver's process; its end of the socket follows, as a file descriptor.
DRIVER = (sys.executable, "-m", "sweep.launch.driver")
#: What an actor runs: the function that trains.
WORK = "sweep.worker.work:work"


@dataclass(frozen=True, kw_only=True)
class DriverSettings:
    """The coordinator's first message; the answer is ClusterResources, or a SweepError."""

    address: str | None
    dataset: str | None
    per_gpu: int
    work: str


class MessageType(StrEnum):
    """What the coordinator tells its driver."""

    START = "start"
    ORDER = "order"
    KILL = "kill"
    #: The coordinator is alive.
    HEARTBEAT = "heartbeat"
    #: Leave the cluster.
    END = "end"


class DriverMessage(NamedTuple):
    """A message to the driver."""

    type: MessageType
    worker: str = ALL_WORKERS
    device: str = ""
    order: Order | None = None


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where Ray has placed a worker, and its GPU as CUDA_VISIBLE_DEVICES names it there."""

    host: str
    pid: int
    device: str


#: What the driver passes on from a worker.
WorkerMessage = Event | Placed | Gone


class RayWorker:
    """The handle of a worker in an actor."""

    def __init__(self, name: str, device: str, messages: "SimpleQueue[DriverMessage]") -> None:
        self.name = name
        self.device = device
        self.host = NO_HOST
        self.pid = 0
        self.has_ended = threading.Event()
        self._messages = messages

    def send(self, order: Order) -> None:
        if isinstance(order, Shutdown) and self.host == NO_HOST:
            self.kill()  # there is no process yet that could exit
        self._messages.put(DriverMessage(MessageType.ORDER, self.name, order=order))

    def kill(self) -> None:
        self._messages.put(DriverMessage(MessageType.KILL, self.name))

    def wait(self, timeout_seconds: float) -> bool:
        return self.has_ended.wait(timeout_seconds)


class RayLauncher:
    """Starts one actor a worker, wherever Ray has room; joins or starts the cluster.

    Raises DeviceError where no cluster answers, UsageError for an address that cannot be one.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        dataset: str | None = None,
        per_gpu: int = 1,
        work: str = WORK,
    ) -> None:
        self.inbox: Inbox = SimpleQueue()
        self._workers: dict[str, RayWorker] = {}
        self._messages: SimpleQueue[DriverMessage] = SimpleQueue()
        self._connection, theirs = Pipe()
        with theirs:
            socket = theirs.fileno()
            self._driver = ChildProcess([*DRIVER, str(socket)], {}, pass_fds=[socket])
        settings = DriverSettings(address=address, dataset=dataset, per_gpu=per_gpu, work=work)
        try:
            #: What the cluster had when it was joined.
            self.cluster = self._join(settings)
        except BaseException:  # Ctrl-C too, while the driver is within Ray and does not listen
            self._driver.discard()
            self._connection.close()
            raise
        for run in (self._read, self._write):
            threading.Thread(target=run, name="ray", daemon=True).start()
        atexit.register(self.close)

    def start(self, name: str, device: str) -> RayWorker:
        worker = self._workers[name] = RayWorker(name, device, self._messages)
        if self._driver.popen.poll() is not None:
            worker.has_ended.set()  # that all are lost was reported before, or is about to be
        self._messages.put(DriverMessage(MessageType.START, name, device=device))
        return worker

    def start_analysis(self, name: str) -> LocalWorker:
        return start_analysis(name, self.inbox)

    def close(self) -> None:
        """Leave the cluster."""
        atexit.unregister(self.close)
        self._messages.put(DriverMessage(MessageType.END))
        try:
            self._driver.popen.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._driver.popen.kill()
            self._driver.popen.wait()

    def _join(self, settings: DriverSettings) -> ClusterResources:
        try:
            self._connection.send(settings)
            while not self._connection.poll(1.0):
                pass  # a Ctrl-C that came just before a read without a limit would wait for its end
            answer = self._connection.recv()
        except (EOFError, OSError):
            _, how = self._driver.wait()
            raise DeviceError(f"--launcher ray: Ray could not be started: {how}.") from None
        if isinstance(answer, SweepError):
            raise answer
        assert isinstance(answer, ClusterResources)
        return answer

    def _write(self) -> None:
        with suppress(OSError):  # the driver has ended, which the reading thread reports
            message = self._next_message()
            while message.type is not MessageType.END:
                self._connection.send(message)
                message = self._next_message()
            self._connection.send(message)

    def _next_message(self) -> DriverMessage:
        try:
            return self._messages.get(timeout=HEARTBEAT_SECONDS)
        except Empty:
            return DriverMessage(MessageType.HEARTBEAT)

    def _read(self) -> None:
        with self._connection, suppress(EOFError, OSError):
            while True:
                self._receive(*self._connection.recv())
        _, how = self._driver.wait()
        lost = (
            f"Ray's process has gone ({how}), most likely because the Ray cluster is lost: its "
            "head, or the Ray of this host. What is done is kept; `sweep resume NAME --launcher "
            "ray` goes on in another cluster, and trains again what was in training."
        )
        self.inbox.put((ALL_WORKERS, Lost(reason=lost)))
        for worker in [*self._workers.values()]:
            worker.has_ended.set()

    def _receive(self, name: str, message: WorkerMessage) -> None:
        if isinstance(message, Placed):
            worker = self._workers[name]
            worker.host, worker.pid, worker.device = message.host, message.pid, message.device
            return
        self.inbox.put((name, message))
        if isinstance(message, Gone):
            self._workers.pop(name).has_ended.set()
