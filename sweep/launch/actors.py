"""Workers on the hosts of a Ray cluster, from the side of Ray's driver.

Ray places an actor for each worker and gives it its part of a GPU; the actor starts the worker's
process beside itself, pinned to that GPU, and passes its lines on. So a worker is the same process
with the same pipes everywhere, its end is told in the same words, and one that stands still can be
ended on its host. Ray's own serialisation sees texts, numbers and lines of ``wire`` alone.

    driver ── Actor ── Ray ── Keeper ── LocalWorker ── sweep.worker
    one host                  any host

A lost host is a dead actor: its workers are gone, and new ones wait for a place until Ray has one,
on a host that joins or that its autoscaler brings up.
"""

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import ray
from ray.exceptions import RayError

import sweep
from sweep import datasets
from sweep.codec import encode
from sweep.errors import DeviceError
from sweep.launch.cluster import connect, cores_per_cpu_worker
from sweep.launch.frames import Frame, Verb
from sweep.launch.keeper import Keeper
from sweep.messages import Heartbeat

#: How often a worker that has no place yet is told of as alive.
WAIT_SECONDS = 2.0
#: How long a host may take to end a worker before its actor is given up.
KILL_SECONDS = 5.0
#: Ray counts parts of a GPU in steps of this size.
PART = 10_000

Tell = Callable[[Frame], None]


class Actor:
    """A worker's actor. Two threads of ours talk with its keeper: one listens, one speaks."""

    def __init__(self, name: str, tell: Tell, keeper: Any, begun: Any) -> None:
        self._name = name
        self._tell = tell
        self._keeper = keeper
        self._orders: SimpleQueue[bytes | None] = SimpleQueue()
        self._is_placed = threading.Event()
        self._has_ended = threading.Event()
        for run in (lambda: self._listen(begun), self._speak):
            threading.Thread(target=run, name=f"ray-{name}", daemon=True).start()

    def send(self, order: bytes) -> None:
        """Hand a line of ``wire`` over."""
        self._orders.put(order)

    def kill(self) -> None:
        """End the worker now."""
        threading.Thread(target=self._end, name=f"end-{self._name}", daemon=True).start()

    def _listen(self, begun: Any) -> None:
        try:
            self._take_place(begun)
            reason = self._hear()
        except (RayError, ValueError) as error:  # a lost actor; one of another version
            reason = _why(error)
        self._orders.put(None)
        self._is_placed.set()  # or else they who wait for it would wait for ever
        with suppress(RayError):
            ray.kill(self._keeper)  # its place is free again
        self._has_ended.set()
        self._tell(Frame(Verb.GONE, self._name, reason.encode()))

    def _take_place(self, begun: Any) -> None:
        while not ray.wait([begun], timeout=WAIT_SECONDS)[0]:
            # To wait for a place is no silence.
            self._tell(Frame(Verb.EVENT, self._name, encode(Heartbeat())))
        about = ray.get(begun)
        if about["version"] != sweep.__version__:
            there, here = about["version"], sweep.__version__
            raise ValueError(f"{about['host']} has sweep {there}, the coordinator {here}")
        self._tell(Frame(Verb.PLACED, self._name, json.dumps(about).encode()))
        self._is_placed.set()

    def _hear(self) -> str:
        """Until it is gone; returns why."""
        reason = None
        while reason is None:
            lines, reason = ray.get(self._keeper.hear.remote())
            for line in lines:
                self._tell(Frame(Verb.EVENT, self._name, line))
        return str(reason)

    def _speak(self) -> None:
        # Each is answered before the next is sent, and none is sent before the beginning: Ray keeps
        # no order for an actor of several threads.
        self._is_placed.wait()
        with suppress(RayError):
            while (order := self._orders.get()) is not None:
                lines = [order]
                with suppress(Empty):
                    while (order := self._orders.get_nowait()) is not None:
                        lines.append(order)
                    self._orders.put(None)
                ray.get(self._keeper.say.remote(lines))

    def _end(self) -> None:
        if self._is_placed.is_set():
            with suppress(RayError):
                ray.get(self._keeper.kill.remote(), timeout=KILL_SECONDS)
                if self._has_ended.wait(KILL_SECONDS):
                    return
        with suppress(RayError):
            ray.kill(self._keeper)  # its process ends with it, for its input closes


def _why(error: Exception) -> str:
    """One line of what Ray tells in many: that with a reason, else the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith("The actor ") and " because " in line]
    because = (reasons or lines or [type(error).__name__])[0]
    # What follows is Ray's guesses and identifiers.
    return because.split(" Worker exit")[0].split(" Node Id:")[0]


class Actors:
    """One actor a worker, wherever Ray has room for it; connects to the cluster first.

    Raises DeviceError where no cluster answers.
    """

    def __init__(
        self,
        tell: Tell,
        *,
        address: str | None,
        dataset: str | None,
        per_gpu: int,
        command: Sequence[str],
    ) -> None:
        connect(address)
        self._tell = tell
        self._dataset = dataset
        self._per_gpu = per_gpu
        self._command = tuple(command)
        #: The data set's digest, and its files in Ray's object store, which copies them to a host
        #: that asks; put there for the first worker.
        self._parcel: tuple[str, dict[str, Any]] | None = None

    def start(self, name: str, kind: str) -> Actor:
        """A worker on a ``cpu`` or a ``gpu``. Raises DataError or DeviceError where the data set
        cannot be sent along."""
        digest, files = self._packed()
        keeper = self._actor(kind).remote(name, kind, self._command)
        begun = keeper.begin.remote(self._dataset, digest, files)
        return Actor(name, self._tell, keeper, begun)

    def _actor(self, kind: str) -> Any:
        # No restarts by Ray: the coordinator gives a dead worker's trials to a new one.
        common = {"max_concurrency": 4, "max_restarts": 0}
        if kind == "cpu":
            return ray.remote(Keeper).options(num_cpus=cores_per_cpu_worker(), **common)
        part = PART // self._per_gpu / PART
        return ray.remote(Keeper).options(num_cpus=0, num_gpus=part, **common)

    def _packed(self) -> tuple[str, dict[str, Any]]:
        if self._parcel is None:
            parcel = {} if self._dataset is None else datasets.pack(self._dataset)
            references = {name: _put(content) for name, content in parcel.items()}
            self._parcel = datasets.digest_of(parcel), references
        return self._parcel


def _put(content: Any) -> Any:
    try:
        return ray.put(content)
    except RayError as error:
        raise DeviceError(
            f"--launcher ray: Ray's object store did not take the data set: {_why(error)}. "
            "`ray start --object-store-memory=BYTES` gives it more room."
        ) from error
