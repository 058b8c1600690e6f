"""Run Ray's driver in a separate process: it relays messages of a coordinator and its actors."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

import ray
from ray.exceptions import RayError
from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

import sweep
from sweep.codec import own_pipes
from sweep.datasets import DatasetArchive
from sweep.errors import DeviceError, SweepError
from sweep.launch.cluster import cluster_resources, connect, cores_per_cpu_worker
from sweep.launch.devices import ClusterResources
from sweep.launch.launcher import Gone
from sweep.launch.ray import (
    ALL_WORKERS,
    DriverOrder,
    DriverSettings,
    KillWorker,
    StartWorker,
    WorkerMessage,
    decode_order,
    encode_message,
)
from sweep.launch.worker_actor import WorkerActor
from sweep.messages import Heartbeat, Order, WorkerFailed
from sweep.worker.__main__ import leave_unreadable

#: How often a worker that waits for placement is reported as alive.
WAIT_SECONDS = 2.0
#: Ray counts parts of a GPU in steps of this size.
PART = 10_000

#: Receives a worker's name and its message.
Tell = Callable[[str, WorkerMessage], None]


class ActorProxy:
    """An actor as the driver sees it: one thread listens to it, another passes orders on."""

    def __init__(self, name: str, device: str, tell: Tell, actor: Any) -> None:
        self.device = device
        self._name = name
        self._tell = tell
        self._actor = actor
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._is_placed = threading.Event()
        self._has_ended = False

    def start(self, batches: Any) -> None:
        """Start the threads; ``batches`` is what the actor's ``run`` yields."""
        for run in (lambda: self._listen(batches), self._speak):
            threading.Thread(target=run, name=f"ray-{self._name}", daemon=True).start()

    def send(self, order: Order) -> None:
        """Queue an order, to be sent when the actor is placed; drop it after the actor's end."""
        if not self._has_ended:
            self._orders.put(order)

    def beat(self) -> None:
        """Pass on that the coordinator is alive."""
        if self._is_placed.is_set():
            self.send(Heartbeat())

    def kill(self) -> None:
        """Kill the actor; Ray kills a process that has stalled after 5 s."""
        with suppress(RayError):
            ray.kill(self._actor)

    def _listen(self, batches: Any) -> None:
        gone = Gone(reason="its actor has exited")
        try:
            while not ray.wait([batches], timeout=WAIT_SECONDS)[0]:
                self._tell(self._name, Heartbeat())  # waiting for placement is not silence
            for batch in batches:
                for message in ray.get(batch):
                    if isinstance(message, Gone):
                        gone = message
                    else:
                        self._tell(self._name, message)
                self._is_placed.set()
        except RayError as error:  # the actor is lost, or could not be created
            gone = Gone(reason=reason_of(error))
        self._has_ended = True
        self._orders.put(None)
        self._is_placed.set()  # ends the thread that waits for it
        self.kill()  # frees its place
        self._tell(self._name, gone)

    def _speak(self) -> None:
        # Each call is answered before the next one, and none is made before the actor has begun:
        # Ray does not guarantee an order for an actor with several threads.
        self._is_placed.wait()
        with suppress(RayError):
            while (order := self._orders.get()) is not None:
                orders = [order]
                with suppress(Empty):
                    while (order := self._orders.get_nowait()) is not None:
                        orders.append(order)
                    self._orders.put(None)
                ray.get(self._actor.order.remote(orders))


def reason_of(error: Exception) -> str:
    """Return the line with the reason of a Ray error, else its first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith("The actor ") and " because " in line]
    because = (reasons or lines or [type(error).__name__])[0]
    # The rest is Ray's guesses and identifiers.
    return because.split(" Worker exit")[0].split(" Node Id:")[0]


class Driver:
    """Starts an actor for each worker, and passes messages on."""

    def __init__(self, settings: DriverSettings, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._actors: dict[str, ActorProxy] = {}
        #: GPUs that Ray reserves for the study, by their numbers.
        self._gpus: dict[str, PlacementGroup] = {}
        #: The data set's digest and its files in Ray's object store, which Ray copies to a host on
        #: demand. None until the first worker is started.
        self._archive: tuple[str, list[Any]] | None = None

    def handle(self, name: str, order: DriverOrder) -> None:
        """Carry out an order of the coordinator."""
        actor = self._actors.get(name)
        match order:
            case DriverSettings():  # they came first
                pass
            case StartWorker(device=device):
                self._start(name, device)
            case KillWorker():
                if actor:
                    actor.kill()
            case Heartbeat():
                for each in [*self._actors.values()]:
                    each.beat()
            case _:
                if actor:
                    actor.send(order)

    def _start(self, name: str, device: str) -> None:
        try:
            archive = self._pack_dataset()
        except SweepError as error:
            self._tell(name, WorkerFailed(error=type(error).__name__, message=str(error)))
            self._tell(name, Gone(reason="it could not be started"))
            return
        # No restarts by Ray: the coordinator assigns a dead worker's trials to a new one.
        options = {"max_concurrency": 2, "max_restarts": 0, **self._resources(device)}
        actor = ray.remote(WorkerActor).options(**options).remote(device, self._settings.work)
        proxy = self._actors[name] = ActorProxy(name, device, self._hear, actor)
        proxy.start(actor.run.remote(sweep.__version__, self._settings.dataset, *archive))

    def _resources(self, device: str) -> dict[str, Any]:
        if device == "cpu":
            return {"num_cpus": cores_per_cpu_worker()}
        # A placement group keeps a GPU for its number: a replacement for a dead worker gets the
        # same GPU, and a GPU that the coordinator excludes goes to no other worker.
        if device not in self._gpus:
            self._gpus[device] = placement_group([{"GPU": 1}])
        part = PART // self._settings.per_gpu / PART
        strategy = PlacementGroupSchedulingStrategy(self._gpus[device], 0)
        return {"num_cpus": 0, "num_gpus": part, "scheduling_strategy": strategy}

    def _pack_dataset(self) -> tuple[str, list[Any]]:
        if self._settings.dataset is None:
            return "", []
        if self._archive is None:
            archive = DatasetArchive.pack(self._settings.dataset)
            # In a list: otherwise Ray would fetch the files for every actor.
            self._archive = archive.digest, [put(dict(archive.files))]
        return self._archive

    def _hear(self, name: str, message: WorkerMessage) -> None:
        """Pass on an actor's message, in its proxy's thread."""
        if isinstance(message, Gone):
            device = self._actors.pop(name).device
            is_last = device not in [actor.device for actor in [*self._actors.values()]]
            # Its coordinator has stalled, and the next one needs the GPU.
            if is_last and message.was_left_alone and device in self._gpus:
                remove_placement_group(self._gpus.pop(device))
        self._tell(name, message)


def put(content: Any) -> Any:
    """Put an object into Ray's store. Raises DeviceError if the store rejects it."""
    try:
        return ray.put(content)
    except RayError as error:
        raise DeviceError(
            f"--launcher ray: Ray's object store rejected the data set: {reason_of(error)}. "
            "`ray start --object-store-memory=BYTES` makes it larger."
        ) from error


def main() -> None:
    """Handle orders until the input ends: the study is over, or its coordinator has exited."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the coordinator
    lines, output = own_pipes()
    orders = _read(lines)
    _, settings = next(orders, ("", None))
    if not isinstance(settings, DriverSettings):
        return  # the coordinator exited before its first message
    try:
        connect(settings.address)
    except SweepError as error:
        failed = WorkerFailed(error=type(error).__name__, message=str(error))
        output.write(encode_message((ALL_WORKERS, failed)))
        output.flush()
        return
    # One signal reaches all processes of a service or a job, and Ray has installed its own handler:
    # the coordinator ends its study first, then tells us.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A stalled coordinator reads nothing, and must not block the threads that listen.
    messages: SimpleQueue[tuple[str, WorkerMessage | ClusterResources]] = SimpleQueue()
    messages.put((ALL_WORKERS, cluster_resources()))
    threading.Thread(target=_write, args=(messages, output), daemon=True).start()
    driver = Driver(settings, lambda name, message: messages.put((name, message)))
    for name, order in orders:
        driver.handle(name, order)
    ray.shutdown()


def _read(lines: BinaryIO) -> Iterator[tuple[str, DriverOrder]]:
    for line in lines:
        try:
            order = decode_order(line)
        except ValueError:
            leave_unreadable(line)
        yield order


def _write(
    messages: SimpleQueue[tuple[str, WorkerMessage | ClusterResources]], output: BinaryIO
) -> None:
    with suppress(OSError):
        while True:
            output.write(encode_message(messages.get()))
            output.flush()


if __name__ == "__main__":
    main()
