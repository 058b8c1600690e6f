"""The workers as the coordinator sees them: what each was handed, and how it fares."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from sweep.launch.launcher import Launcher, WorkerHandle
from sweep.trial import Room, Shutdown, TrialSpec, Vitals, WorkerSetup

#: Trials that wait in a worker, as a share of its slots, so that one that ends has a successor at
#: once. More would keep samplers from learning.
WAITING_SHARE = 0.25
#: A device whose workers die this often, one after another and without a trial, is left out.
STARTS_PER_DEVICE = 3
SHUTDOWN_SECONDS = 10.0


@dataclass
class Worker:
    """One worker process."""

    name: str
    device: str
    handle: WorkerHandle
    ready: bool = False
    #: Why it cannot work, in its own words.
    failure: str | None = None
    device_name: str | None = None
    #: How much it trains at the same time.
    room: Room = field(default_factory=Room)
    #: Handed out and not yet back, by number, in the order of the hand-out.
    handed: dict[int, TrialSpec] = field(default_factory=dict)
    #: The last epoch that was heard of, by number.
    epochs: dict[int, int] = field(default_factory=dict)
    n_finished: int = 0
    #: The last that it sent.
    vitals: Vitals | None = None

    @property
    def state(self) -> str:
        if not self.ready:
            return "starting"
        return "training" if self.handed else "ready"

    @property
    def wants_more(self) -> bool:
        """Whether another trial would train at once, or too few wait."""
        slots = self.room.slots or 1
        return len(self.handed) - len(self.training()) < max(1, int(WAITING_SHARE * slots))

    def training(self) -> list[TrialSpec]:
        """Those that there is room for, first come first served: what it trains, as far as it can
        be told from here."""
        if self.room.slots is None:
            return list(self.handed.values())[:1]
        used: dict[int, tuple[int, int]] = {}  # slots and rows, by batch size
        found = []
        for spec in self.handed.values():
            size, n = spec.config.batch_size, len(spec.seeds)
            if size not in used and len(used) == self.room.n_populations:
                continue
            slots, rows = used.get(size, (0, 0))
            slots, rows = slots + n, rows + n * self.room.rows_of(spec.config.hidden_width)
            if slots <= self.room.slots and rows <= self.room.rows:
                used[size] = slots, rows
                found.append(spec)
        return found

    def holds(self, number: int, attempt: int) -> bool:
        """Whether this very attempt was given to this worker: else its events are refused."""
        spec = self.handed.get(number)
        return spec is not None and spec.attempt == attempt

    def drop(self, number: int) -> None:
        """The trial is done with."""
        self.handed.pop(number, None)
        self.epochs.pop(number, None)


class Crew:
    """All workers of a study: started, restarted when they die, shut down at the end."""

    def __init__(self, launcher: Launcher, setup: WorkerSetup) -> None:
        self._launcher = launcher
        self._setup = setup
        self._workers: dict[str, Worker] = {}
        self._n_started = 0
        self._failed_starts: dict[str, int] = {}

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def __len__(self) -> int:
        return len(self._workers)

    def get(self, name: str) -> Worker | None:
        return self._workers.get(name)

    def start(self, device: str) -> Worker:
        """Start a worker on a device and tell it what it needs to know."""
        name = f"w{self._n_started}"
        self._n_started += 1
        handle = self._launcher.start(name, device)
        worker = Worker(name=name, device=device, handle=handle)
        self._workers[name] = worker
        handle.send(self._setup)
        return worker

    def lost(self, worker: Worker) -> bool:
        """Forget a worker that died; says whether another may be started on its device."""
        del self._workers[worker.name]
        # Dying over a trial is that trial's affair; dying without one is the device's.
        at_work = worker.ready and worker.handed
        failed = 0 if at_work else self._failed_starts.get(worker.device, 0) + 1
        self._failed_starts[worker.device] = failed
        return failed < STARTS_PER_DEVICE

    def shut_down(self) -> None:
        """Let the workers go; whoever lingers is killed."""
        for worker in self:
            worker.handle.send(Shutdown())
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        for worker in self:
            if not worker.handle.wait(max(0.0, deadline - time.monotonic())):
                worker.handle.kill()
        self._workers.clear()

    def kill(self) -> None:
        """End every worker now."""
        for worker in self:
            worker.handle.kill()
        for worker in self:
            worker.handle.wait(SHUTDOWN_SECONDS)
        self._workers.clear()
