"""Workers on the hosts of a Ray cluster, from the coordinator's side.

    coordinator ── RayLauncher ──pipes── driver ── ActorProxy ── Ray ── WorkerActor
    one host                                                            any host

Ray terminates the process that joined a cluster when the cluster's head is lost, without a word to
Python. So the coordinator does not join: its driver, a child process, does, and a lost cluster is
the end of the driver. This module does not import Ray.
"""

import json
import sys
import threading
import weakref
from enum import StrEnum
from queue import SimpleQueue
from subprocess import TimeoutExpired
from typing import Any, NamedTuple, Self

import sweep.errors
from sweep.codec import decode, encode
from sweep.errors import DeviceError, SweepError
from sweep.launch.channel import Channel
from sweep.launch.devices import ClusterResources
from sweep.launch.launcher import Gone, Inbox, Lost
from sweep.launch.local import LocalWorker, start_analysis
from sweep.launch.process import ChildProcess
from sweep.messages import Order, Shutdown

#: How long Ray may take to leave its cluster.
END_SECONDS = 15.0
#: The host of a worker that Ray has not placed yet.
NO_HOST = "no host yet"
#: In place of a worker's name, in a message about no worker in particular.
ALL_WORKERS = "-"

#: What the driver's process runs, and what each actor runs: see ``sweep.worker.work.work``.
DRIVER = (sys.executable, "-m", "sweep.launch.driver")
WORK = "sweep.worker.work:work"


class MessageType(StrEnum):
    """What a DriverMessage says, and who sends it."""

    #: Coordinator: the settings, in the first message; the driver answers JOINED or REFUSED.
    JOIN = "join"
    JOINED = "joined"
    REFUSED = "refused"
    #: Coordinator: start a worker on a device; pass it an order, as a line of ``codec``; kill it.
    START = "start"
    ORDER = "order"
    KILL = "kill"
    #: Coordinator: it is alive.
    HEARTBEAT = "heartbeat"
    #: Driver: where a worker is; an event of it, as a line of ``codec``; how it ended.
    PLACED = "placed"
    EVENT = "event"
    GONE = "gone"


class DriverMessage(NamedTuple):
    """A line between a coordinator and its driver: type, worker, body."""

    type: MessageType
    worker: str = ALL_WORKERS
    body: bytes = b""

    @classmethod
    def of(cls, type_: MessageType, worker: str = ALL_WORKERS, **body: Any) -> Self:
        """Make a message whose body is a JSON object."""
        return cls(type_, worker, json.dumps(body).encode())

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Raises ValueError for a line that is no message."""
        type_, worker, body = line.rstrip(b"\n").split(b" ", 2)
        return cls(MessageType(type_.decode()), worker.decode(), body)

    @property
    def line(self) -> bytes:
        """The message as a line, newline included."""
        body = self.body.rstrip(b"\n")
        return b"%s %s %s\n" % (self.type.encode(), self.worker.encode(), body)


class RayWorker:
    """The handle of a worker in an actor."""

    def __init__(self, name: str, device: str, driver: Channel) -> None:
        self.name = name
        self.device = device
        self.host = NO_HOST
        self.pid = 0
        self.has_ended = threading.Event()
        self._driver = driver

    def place(self, *, host: str, pid: int, device: str) -> None:
        """Note where Ray has placed it."""
        self.host, self.pid, self.device = host, pid, device

    def send(self, order: Order) -> None:
        if isinstance(order, Shutdown) and self.host == NO_HOST:
            self.kill()  # there is no process yet that could exit
        self._driver.send(DriverMessage(MessageType.ORDER, self.name, encode(order)).line)

    def kill(self) -> None:
        self._driver.send(DriverMessage(MessageType.KILL, self.name).line)

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
        self._driver = _Driver(self.inbox)
        #: Leave the cluster: at once when called, else when the launcher is garbage.
        self.close = weakref.finalize(self, self._driver.close)
        settings = {"address": address, "dataset": dataset, "per_gpu": per_gpu, "work": work}
        #: What the cluster had when it was joined.
        self.cluster = self._driver.join(settings)

    def start(self, name: str, device: str) -> RayWorker:
        return self._driver.start(name, device)

    def start_analysis(self, name: str) -> LocalWorker:
        return start_analysis(name, self.inbox)


class _Driver:
    """The driver's process; knows nothing of the launcher, which it would keep alive."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._workers: dict[str, RayWorker] = {}
        self._joined: SimpleQueue[ClusterResources | SweepError] = SimpleQueue()
        self._process = ChildProcess(DRIVER, {})
        heartbeat = DriverMessage(MessageType.HEARTBEAT).line
        self._channel = Channel(self._process, self._receive, self._end, heartbeat=heartbeat)

    def join(self, settings: dict[str, Any]) -> ClusterResources:
        self._channel.send(DriverMessage.of(MessageType.JOIN, **settings).line)
        try:
            answer = self._joined.get()
        except BaseException:  # Ctrl-C, while it may be within Ray and not read its input
            self._process.popen.kill()
            raise
        if isinstance(answer, SweepError):
            raise answer
        return answer

    def start(self, name: str, device: str) -> RayWorker:
        worker = self._workers[name] = RayWorker(name, device, self._channel)
        if self._process.popen.poll() is not None:
            worker.has_ended.set()  # that all are lost was reported before, or is about to be
        self._channel.send(DriverMessage(MessageType.START, name, device.encode()).line)
        return worker

    def close(self) -> None:
        self._channel.close()
        try:
            self._process.popen.wait(END_SECONDS)
        except TimeoutExpired:
            self._process.popen.kill()
            self._process.popen.wait()

    def _receive(self, line: bytes) -> None:
        message = DriverMessage.parse(line)
        name, body = message.worker, message.body
        match message.type:
            case MessageType.JOINED:
                self._joined.put(ClusterResources(**json.loads(body)))
            case MessageType.REFUSED:
                refusal = json.loads(body)
                error = getattr(sweep.errors, refusal["error"], SweepError)
                self._joined.put(error(refusal["message"]))
            case MessageType.EVENT:
                self._inbox.put((name, decode(body)))
            case MessageType.PLACED:
                self._workers[name].place(**json.loads(body))
            case MessageType.GONE:
                self._inbox.put((name, Gone(**json.loads(body))))
                self._workers.pop(name).has_ended.set()

    def _end(self, _: int, how: str) -> None:
        self._joined.put(DeviceError(f"--launcher ray: Ray could not be started: {how}."))
        lost = (
            f"Ray's process has gone ({how}), most likely because the Ray cluster is lost: its "
            "head, or the Ray of this host. What is done is kept; `sweep resume NAME --launcher "
            "ray` goes on in another cluster, and trains again what was in training."
        )
        self._inbox.put((ALL_WORKERS, Lost(reason=lost)))
        for worker in [*self._workers.values()]:
            worker.has_ended.set()
