"""The workers as the coordinator sees them: what each was handed, and how it fares."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from sweep.launch.launcher import Launcher, WorkerHandle
from sweep.trial import Shutdown, TrialSpec, Vitals, WorkerSetup

#: Trials a worker holds at once: one that trains and one that waits, so that it never idles.
HANDED_AT_ONCE = 2
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
    #: Handed out and not yet back, in the order of training.
    handed: deque[TrialSpec] = field(default_factory=deque)
    epoch: int = 0
    n_finished: int = 0
    #: The last that it sent.
    vitals: Vitals | None = None

    @property
    def state(self) -> str:
        if not self.ready:
            return "starting"
        return "training" if self.handed else "ready"

    def holds(self, number: int, attempt: int) -> bool:
        """Whether this very attempt was given to this worker: else its events are refused."""
        return any(spec.number == number and spec.attempt == attempt for spec in self.handed)

    def drop(self, number: int) -> None:
        """The trial is done with."""
        self.handed = deque(spec for spec in self.handed if spec.number != number)
        self.epoch = 0


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
