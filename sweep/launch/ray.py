"""Workers on the hosts of a Ray cluster, from the coordinator's side: see driver and actors."""

import json
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

import sweep.errors
from sweep.codec import decode, encode
from sweep.errors import DeviceError, SweepError
from sweep.launch.frames import NOBODY, Frame, Verb
from sweep.launch.launcher import Gone, Inbox, Lost
from sweep.launch.local import ending
from sweep.launch.places import Capacity
from sweep.launch.process import COMMAND, without_passwords
from sweep.messages import Order, Shutdown

#: How long Ray may take to leave its cluster.
END_SECONDS = 15.0
#: The host of a worker that has no place yet.
NO_HOST = "no host yet"

#: What the driver's process runs.
DRIVER = (sys.executable, "-m", "sweep.launch.driver")

#: To the driver, in this order; None ends it.
Frames = SimpleQueue["Frame | None"]


class RayWorker:
    """A worker's handle: what it is told goes through the driver."""

    def __init__(self, name: str, device: str, frames: Frames) -> None:
        self.name = name
        self.device = device
        self.host = NO_HOST
        self.pid = 0
        self.has_ended = threading.Event()
        self._frames = frames

    def take_place(self, *, host: str, pid: int, device: str, **_: object) -> None:
        """Where it is, as its keeper says."""
        self.host, self.pid, self.device = host, pid, device

    def send(self, order: Order) -> None:
        if isinstance(order, Shutdown) and self.host == NO_HOST:
            self.kill()  # nobody is there yet who could leave
        self._frames.put(Frame(Verb.ORDER, self.name, encode(order)))

    def kill(self) -> None:
        self._frames.put(Frame(Verb.KILL, self.name))

    def wait(self, timeout_seconds: float) -> bool:
        return self.has_ended.wait(timeout_seconds)


class RayLauncher:
    """One worker a place of a cluster, wherever Ray has room for it; joins or starts the cluster.

    Raises DeviceError where no cluster answers, UsageError for an address that can be none.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        dataset: str | None = None,
        per_gpu: int = 1,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.inbox: Inbox = SimpleQueue()
        self._workers: dict[str, RayWorker] = {}
        self._frames: Frames = SimpleQueue()
        stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the driver
        driver = subprocess.Popen(
            DRIVER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=without_passwords(),
            start_new_session=True,  # out of the terminal's Ctrl-C
        )
        self._driver = driver
        #: Leaves the cluster: at once when called, else when nobody knows this launcher any more.
        self.close = weakref.finalize(self, _end, driver, self._frames)
        threading.Thread(target=_speak, args=(driver, self._frames), daemon=True).start()
        settings: dict[str, Any] = {"address": address, "dataset": dataset, "per_gpu": per_gpu}
        settings["command"] = list(command)
        self._frames.put(Frame(Verb.JOIN, body=json.dumps(settings).encode()))
        try:
            #: What the cluster had when it was joined.
            self.capacity = _joined(driver, stderr)
        except BaseException:
            driver.kill()  # at Ctrl-C it may be within Ray, where it does not see its input's end
            raise
        hearing = (driver, stderr, self._workers, self.inbox)
        threading.Thread(target=_listen, args=hearing, name="ray", daemon=True).start()

    def start(self, name: str, device: str) -> RayWorker:
        worker = self._workers[name] = RayWorker(name, device, self._frames)
        if self._driver.poll() is not None:
            worker.has_ended.set()  # that all are lost was told before, or is about to be
        kind = "cpu" if device == "cpu" else "gpu"
        self._frames.put(Frame(Verb.START, name, kind.encode()))
        return worker


def _joined(driver: "subprocess.Popen[bytes]", stderr: IO[bytes]) -> Capacity:
    assert driver.stdout is not None
    try:
        answer = Frame.of(driver.stdout.readline())
    except ValueError:
        answer = None  # it has ended, perhaps within the line, or talks nonsense
        driver.kill()
    if answer is not None and answer.verb is Verb.JOINED:
        return Capacity(**json.loads(answer.body))
    driver.stdout.close()
    how = ending(driver.wait(), stderr)
    if answer is None:
        raise DeviceError(f"--launcher ray: Ray could not be started: {how}.")
    about = json.loads(answer.body)
    raise getattr(sweep.errors, about["error"], SweepError)(about["message"])


# Threads know nothing of the launcher, or somebody always would.


def _speak(driver: "subprocess.Popen[bytes]", frames: Frames) -> None:
    assert driver.stdin is not None
    with suppress(OSError, ValueError):  # it is gone: that is told by whoever listens
        while (frame := frames.get()) is not None:
            driver.stdin.write(frame.line())
            driver.stdin.flush()
    with suppress(OSError):
        driver.stdin.close()


def _listen(
    driver: "subprocess.Popen[bytes]",
    stderr: IO[bytes],
    workers: dict[str, RayWorker],
    inbox: Inbox,
) -> None:
    assert driver.stdout is not None
    try:
        for line in driver.stdout:
            _hear(Frame.of(line), workers, inbox)
    except ValueError:
        driver.kill()  # a line cut off by its death, or nonsense
    finally:
        driver.stdout.close()
        inbox.put((NOBODY, Lost(reason=_lost(ending(driver.wait(), stderr)))))
        for worker in [*workers.values()]:
            worker.has_ended.set()


def _hear(frame: Frame, workers: dict[str, RayWorker], inbox: Inbox) -> None:
    verb, name, body = frame
    match verb:
        case Verb.EVENT:
            inbox.put((name, decode(body)))
        case Verb.PLACED:
            workers[name].take_place(**json.loads(body))
        case Verb.GONE:
            inbox.put((name, Gone(reason=body.decode())))
            workers.pop(name).has_ended.set()


def _lost(how: str) -> str:
    return (
        f"Ray's process has gone ({how}), most likely because the Ray cluster is lost: its head, "
        "or the Ray of this host. What is done is kept; `sweep resume NAME --launcher ray` goes on "
        "in another cluster, and trains again what was in training."
    )


def _end(driver: "subprocess.Popen[bytes]", frames: Frames) -> None:
    frames.put(None)
    try:
        driver.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        driver.kill()
        driver.wait()
