"""Ray's driver, in a process of its own: passes messages between a coordinator and its actors."""

import json
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
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
from sweep.codec import encode, own_pipes
from sweep.datasets import DatasetArchive
from sweep.errors import DeviceError, SweepError
from sweep.launch.cluster import cluster_resources, connect, cores_per_cpu_worker
from sweep.launch.ray import DriverMessage, MessageType
from sweep.launch.worker_actor import WorkerActor
from sweep.messages import Heartbeat, WorkerFailed

#: How often a worker that waits for its place is reported as alive.
WAIT_SECONDS = 2.0
#: Ray counts parts of a GPU in steps of this size.
PART = 10_000

Tell = Callable[[DriverMessage], None]


class ActorProxy:
    """An actor, as the driver sees it: one thread listens to it, another passes orders on."""

    def __init__(self, name: str, device: str, tell: Tell, actor: Any) -> None:
        self.device = device
        self._name = name
        self._tell = tell
        self._actor = actor
        self._orders: SimpleQueue[bytes | None] = SimpleQueue()
        self._is_placed = threading.Event()
        self._has_ended = False

    def start(self, batches: Any) -> None:
        """Start the threads; ``batches`` is what the actor's ``run`` yields."""
        for run in (lambda: self._listen(batches), self._speak):
            threading.Thread(target=run, name=f"ray-{self._name}", daemon=True).start()

    def send(self, order: bytes) -> None:
        """Queue an order, to be sent when the actor is placed; drop it after the actor's end."""
        if not self._has_ended:
            self._orders.put(order)

    def beat(self) -> None:
        """Pass on that the coordinator is alive."""
        if self._is_placed.is_set():
            self.send(encode(Heartbeat()))

    def kill(self) -> None:
        """End the actor now; Ray kills a process that has stalled after 5 s."""
        with suppress(RayError):
            ray.kill(self._actor)

    def _listen(self, batches: Any) -> None:
        last = None
        try:
            while not ray.wait([batches], timeout=WAIT_SECONDS)[0]:
                # A worker that waits for a place is not silent.
                self._tell(DriverMessage(MessageType.EVENT, self._name, encode(Heartbeat())))
            for batch in batches:
                for line in ray.get(batch):
                    last = DriverMessage.parse(line)
                    if last.type is not MessageType.GONE:
                        self._tell(last)
                self._is_placed.set()
        except RayError as error:  # the actor is lost, or could not be made
            about = {"reason": reason_of(error), "was_left_alone": False}
            last = DriverMessage.of(MessageType.GONE, self._name, **about)
        self._has_ended = True
        self._orders.put(None)
        self._is_placed.set()  # ends the thread that waits for it
        self.kill()  # frees its place
        assert last is not None
        self._tell(last)

    def _speak(self) -> None:
        # Each call is answered before the next one is made, and none is made before the actor has
        # begun: Ray keeps no order for an actor with several threads.
        self._is_placed.wait()
        with suppress(RayError):
            while (order := self._orders.get()) is not None:
                lines = [order]
                with suppress(Empty):
                    while (order := self._orders.get_nowait()) is not None:
                        lines.append(order)
                    self._orders.put(None)
                ray.get(self._actor.order.remote(lines))


def reason_of(error: Exception) -> str:
    """Return the line that gives the reason of an error of Ray's, else the first of its lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith("The actor ") and " because " in line]
    because = (reasons or lines or [type(error).__name__])[0]
    # What follows is Ray's guesses and identifiers.
    return because.split(" Worker exit")[0].split(" Node Id:")[0]


class Driver:
    """Starts an actor a worker, and passes messages on. Joins the cluster first.

    Raises DeviceError where no cluster answers, UsageError for an address that cannot be one.
    """

    def __init__(
        self, tell: Tell, *, address: str | None, dataset: str | None, per_gpu: int, work: str
    ) -> None:
        connect(address)
        self._tell = tell
        self._dataset = dataset
        self._part_of_gpu = PART // per_gpu / PART
        self._work = work
        self._actors: dict[str, ActorProxy] = {}
        #: GPUs that Ray reserves for the study, by their numbers.
        self._gpus: dict[str, PlacementGroup] = {}
        #: The data set's digest, and in Ray's object store its files; Ray copies them to a host
        #: that asks. None until the first worker is started.
        self._archive: tuple[str, list[Any]] | None = None

    def handle(self, message: DriverMessage) -> None:
        """Do what the coordinator asks for."""
        match message:
            case (MessageType.HEARTBEAT, _, _):
                for actor in [*self._actors.values()]:
                    actor.beat()
            case (MessageType.START, name, device):
                self._start(name, device.decode())
            case (MessageType.ORDER, name, order) if name in self._actors:
                self._actors[name].send(order)
            case (MessageType.KILL, name, _) if name in self._actors:
                self._actors[name].kill()

    def _start(self, name: str, device: str) -> None:
        try:
            archive = self._packed()
        except SweepError as error:
            failed = WorkerFailed(error=type(error).__name__, message=str(error))
            self._tell(DriverMessage(MessageType.EVENT, name, encode(failed)))
            about = {"reason": "it could not be started", "was_left_alone": False}
            self._tell(DriverMessage.of(MessageType.GONE, name, **about))
            return
        # No restarts by Ray: the coordinator gives a dead worker's trials to a new one.
        options = {"max_concurrency": 2, "max_restarts": 0, **self._resources(device)}
        actor = ray.remote(WorkerActor).options(**options).remote(name, device, self._work)
        proxy = self._actors[name] = ActorProxy(name, device, self._hear, actor)
        proxy.start(actor.run.remote(sweep.__version__, self._dataset, *archive))

    def _hear(self, message: DriverMessage) -> None:
        """Pass on what an actor's proxy says, in that proxy's thread."""
        if message.type is MessageType.GONE:
            device = self._actors.pop(message.worker).device
            is_last = device not in [actor.device for actor in [*self._actors.values()]]
            # Its coordinator has stalled, and the next one needs the GPU.
            if is_last and json.loads(message.body)["was_left_alone"] and device in self._gpus:
                remove_placement_group(self._gpus.pop(device))
        self._tell(message)

    def _resources(self, device: str) -> dict[str, Any]:
        if device == "cpu":
            return {"num_cpus": cores_per_cpu_worker()}
        # A placement group keeps a GPU for its number: a new worker in place of one that died gets
        # the same GPU, and a GPU that the coordinator leaves out goes to no other worker.
        if device not in self._gpus:
            self._gpus[device] = placement_group([{"GPU": 1}])
        strategy = PlacementGroupSchedulingStrategy(self._gpus[device], 0)
        return {"num_cpus": 0, "num_gpus": self._part_of_gpu, "scheduling_strategy": strategy}

    def _packed(self) -> tuple[str, list[Any]]:
        if self._archive is None:
            if self._dataset is None:
                self._archive = "", []
            else:
                archive = DatasetArchive.pack(self._dataset)
                # In a list, or else Ray would fetch the files for every actor.
                self._archive = archive.digest, [put(dict(archive.files))]
        return self._archive


def put(content: Any) -> Any:
    """Put an object into Ray's store. Raises DeviceError where it does not take it."""
    try:
        return ray.put(content)
    except RayError as error:
        raise DeviceError(
            f"--launcher ray: Ray's object store did not take the data set: {reason_of(error)}. "
            "`ray start --object-store-memory=BYTES` gives it more room."
        ) from error


def main() -> None:
    """Read messages until the input ends: the coordinator is done, or gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's to interpret
    lines, output = own_pipes()
    answers: SimpleQueue[DriverMessage] = SimpleQueue()
    threading.Thread(target=_write, args=(answers, output), daemon=True).start()
    try:
        driver = Driver(answers.put, **json.loads(DriverMessage.parse(lines.readline()).body))
        # One signal reaches all processes of a service or a job, and Ray has installed a handler
        # of its own: the coordinator ends its study first, then our input.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        joined = DriverMessage.of(MessageType.JOINED, **asdict(cluster_resources()))
        answers.put(joined)
    except SweepError as error:
        refusal = {"error": type(error).__name__, "message": str(error)}
        _write_one(DriverMessage.of(MessageType.REFUSED, **refusal), output)
        return
    for line in lines:
        driver.handle(DriverMessage.parse(line))
    ray.shutdown()


def _write(answers: SimpleQueue[DriverMessage], output: BinaryIO) -> None:
    while True:
        _write_one(answers.get(), output)


def _write_one(message: DriverMessage, output: BinaryIO) -> None:
    output.write(message.line)
    output.flush()


if __name__ == "__main__":
    main()
