"""Workers on the hosts of a Ray cluster, from the coordinator's side.

    coordinator ── RayLauncher ──pipes── driver ── ActorProxy ── Ray ── WorkerActor
    one host                                                            any host

Ray terminates the process that joined a cluster when the cluster's head is lost, without a word to
Python. So the coordinator does not join: its driver, a child process, does, and a lost cluster is
the end of the driver. The two exchange lines as a local worker does, each headed by the name of the
worker that it is for or from. This module does not import Ray.
"""

import atexit
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, get_args

from sweep.codec import Codec
from sweep.errors import DeviceError, SweepError, make_error
from sweep.launch.devices import ClusterResources
from sweep.launch.launcher import Gone, Inbox, Lost
from sweep.launch.link import ChildLink
from sweep.launch.local import LocalWorker, start_analysis
from sweep.launch.process import ChildProcess
from sweep.messages import Event, Heartbeat, Order, Shutdown, WorkerFailed

#: How long Ray may take to leave its cluster.
END_SECONDS = 15.0
#: The host of a worker that Ray has not placed yet.
NO_HOST = "no host yet"
#: Replaces a worker's name in messages about all of them or the driver itself.
ALL_WORKERS = "-"

#: Command of the driver's process.
DRIVER = (sys.executable, "-m", "sweep.launch.driver")
#: What an actor runs: the function that trains.
WORK = "sweep.worker.work:work"


@dataclass(frozen=True, kw_only=True)
class DriverSettings:
    """The first message to the driver, which answers with ClusterResources or WorkerFailed."""

    #: Address of the cluster; None starts or finds one as ``cluster.connect`` says.
    address: str | None
    #: Name or folder of the data set that workers need; None if they need none.
    dataset: str | None
    #: Workers that share a GPU.
    per_gpu: int
    #: The function that an actor runs, as ``module:function``.
    work: str


@dataclass(frozen=True, kw_only=True)
class StartWorker:
    """Start a worker with this name."""

    #: ``cpu``, or the number of a GPU among those of the study.
    device: str


@dataclass(frozen=True, kw_only=True)
class KillWorker:
    """Kill the worker of this name."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where Ray has placed a worker, and its GPU as CUDA_VISIBLE_DEVICES names it there."""

    host: str
    pid: int
    device: str


#: The coordinator's orders to its driver; a heartbeat says that the coordinator is alive.
DriverOrder = DriverSettings | StartWorker | KillWorker | Order
#: Messages of a worker that the driver passes on.
WorkerMessage = Event | Placed | Gone

_TO_DRIVER = Codec(DriverSettings, StartWorker, KillWorker, *get_args(Order))
_FROM_DRIVER = Codec(ClusterResources, Placed, Gone, *get_args(Event))


def _encode(codec: Codec, message: tuple[str, object]) -> bytes:
    """Encode a worker's name and a record as one line."""
    name, record = message
    return name.encode() + b" " + codec.encode(record)


def _decode(codec: Codec, line: bytes) -> tuple[str, Any]:
    """Decode a line into the worker's name and the record. Raises ValueError for any other line."""
    name, _, body = line.partition(b" ")
    return name.decode(), codec.decode(body)


encode_order: Callable[[tuple[str, DriverOrder]], bytes] = partial(_encode, _TO_DRIVER)
decode_order: Callable[[bytes], tuple[str, DriverOrder]] = partial(_decode, _TO_DRIVER)
encode_message: Callable[[tuple[str, WorkerMessage | ClusterResources]], bytes]
encode_message = partial(_encode, _FROM_DRIVER)
decode_message: Callable[[bytes], tuple[str, WorkerMessage | ClusterResources]]
decode_message = partial(_decode, _FROM_DRIVER)


class RayWorker:
    """The handle of a worker in an actor."""

    def __init__(self, name: str, device: str, send: Callable[[DriverOrder], None]) -> None:
        self.name = name
        self.device = device
        self.host = NO_HOST
        self.pid = 0
        self.has_ended = threading.Event()
        self._send = send

    def send(self, order: Order) -> None:
        """Send an order without waiting for the worker to read it."""
        if isinstance(order, Shutdown) and self.host == NO_HOST:
            self.kill()  # there is no process yet that could exit
        self._send(order)

    def kill(self) -> None:
        """Kill the actor."""
        self._send(KillWorker())

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the worker's end; return whether it ended in time."""
        return self.has_ended.wait(timeout_seconds)


class RayLauncher:
    """Starts one actor per worker, wherever Ray has resources; joins or starts the cluster.

    Raises DeviceError if no cluster answers, UsageError for an invalid address.
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
        #: The driver's messages about itself.
        self._answers: SimpleQueue[ClusterResources | SweepError] = SimpleQueue()
        settings = DriverSettings(address=address, dataset=dataset, per_gpu=per_gpu, work=work)
        try:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            driver = ChildProcess(DRIVER, {}, **pipes)
            self._link = ChildLink[tuple[str, DriverOrder]](
                driver,
                encode=encode_order,
                heartbeat=(ALL_WORKERS, Heartbeat()),
                receive=self._receive,
                ended=self._report_end,
            )
        except OSError as error:
            raise _not_started(str(error.strerror)) from error
        try:
            #: Resources of the cluster when it was joined.
            self.cluster = self._join(settings)
        except BaseException:  # Ctrl-C too, while the driver is within Ray and does not listen
            driver.popen.kill()
            raise
        atexit.register(self.close)

    def start(self, name: str, device: str) -> RayWorker:
        """Start a worker's actor on a device of the cluster."""
        worker = RayWorker(name, device, lambda order: self._link.send((name, order)))
        self._workers[name] = worker
        if self._link.popen.poll() is not None:
            worker.has_ended.set()  # the loss of all was reported before, or is about to be
        self._link.send((name, StartWorker(device=device)))
        return worker

    def start_analysis(self, name: str) -> LocalWorker:
        """Start the process that analyses networks, on this host."""
        return start_analysis(name, self.inbox)

    def close(self) -> None:
        """Leave the cluster."""
        atexit.unregister(self.close)
        self._link.close()
        try:
            self._link.popen.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._link.popen.kill()
            self._link.popen.wait()

    def _join(self, settings: DriverSettings) -> ClusterResources:
        self._link.send((ALL_WORKERS, settings))
        while True:
            with suppress(Empty):  # a Ctrl-C just before a wait without a limit would wait, too
                answer = self._answers.get(timeout=1.0)
                break
        if isinstance(answer, SweepError):
            raise answer
        return answer

    def _receive(self, line: bytes) -> None:
        name, message = decode_message(line)
        if name == ALL_WORKERS:
            self._answers.put(_answer(message))
            return
        worker = self._workers.get(name)
        if worker is None or isinstance(message, ClusterResources):
            raise ValueError(f"neither a worker of ours nor one of its messages: {line[:80]!r}")
        if isinstance(message, Placed):
            worker.host, worker.pid, worker.device = message.host, message.pid, message.device
            return
        self.inbox.put((name, message))
        if isinstance(message, Gone):
            self._workers.pop(name).has_ended.set()

    def _report_end(self, code: int | None, how: str) -> None:
        self._answers.put(_not_started(how))
        cause = (
            f"was {how}"
            if code is None
            else f"exited ({how}), most likely because the Ray cluster is lost: its head, or "
            "Ray on this host"
        )
        lost = (
            f"Ray's process {cause}. Finished trials are kept; `sweep resume NAME --launcher ray` "
            "continues in another cluster and restarts the trials that were in training."
        )
        self.inbox.put((ALL_WORKERS, Lost(reason=lost)))
        for worker in [*self._workers.values()]:
            worker.has_ended.set()


def _answer(message: WorkerMessage | ClusterResources) -> ClusterResources | SweepError:
    """Return the driver's answer to its settings. Raises ValueError for any other message."""
    match message:
        case ClusterResources():
            return message
        case WorkerFailed(error=error, message=text):
            return make_error(error, text)
    raise ValueError(f"no answer to DriverSettings: {type(message).__name__}")


def _not_started(how: str) -> DeviceError:
    return DeviceError(f"--launcher ray: Ray could not be started: {how}.")
