"""Manage the workers as the coordinator sees them: their trials and their state."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sweep.coordinator.running_trial import RunningTrial
from sweep.enums import StopReason, Trainer, WorkerState
from sweep.launch.launcher import Gone, Launcher, WorkerHandle
from sweep.messages import (
    Capacity,
    Event,
    Heartbeat,
    Ready,
    Shutdown,
    Stop,
    WorkerSetup,
    WorkerStats,
)

#: A device whose workers die this often, one after another and without a trial, is not used again.
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
    #: It exits because its device cannot use the fused trainer; another worker replaces it.
    falls_back: bool = False
    device_name: str | None = None
    #: Version of NVIDIA's driver.
    driver_version: str | None = None
    #: Its trainer, and why that is not the fused one: see Ready.
    trainer: Trainer | None = None
    fallback_reason: str | None = None
    triton_version: str | None = None
    ptxas_version: str | None = None
    #: What it can train at the same time.
    capacity: Capacity = field(default_factory=Capacity)
    #: Trials that it has requested and not been given.
    n_requested: int = 0
    #: Dispatched and not yet ended, by number, in the order of dispatch.
    trials: dict[int, RunningTrial] = field(default_factory=dict)
    #: Those trials that are sent once their rows are written.
    unsent: list[RunningTrial] = field(default_factory=list)
    n_finished: int = 0
    #: Its last statistics.
    stats: WorkerStats | None = None
    #: Messages that arrived before the worker was needed; handled before any later one.
    early_messages: list[Event | Gone] = field(default_factory=list)

    def introduce(self, event: Ready) -> None:
        """Record what the worker says about itself when it is ready."""
        self.ready = True
        self.capacity = event.capacity
        self.device_name, self.driver_version = event.device_name, event.driver_version
        self.trainer = event.trainer
        self.fallback_reason = event.fallback_reason or self.fallback_reason
        self.triton_version, self.ptxas_version = event.triton_version, event.ptxas_version

    @property
    def state(self) -> WorkerState:
        """Return the state that users see."""
        if not self.ready:
            return WorkerState.STARTING
        return WorkerState.TRAINING if self.trials else WorkerState.READY

    @property
    def is_fully_busy(self) -> bool:
        """Whether it trains one trial at a time, and has one."""
        return self.capacity.slots is None and bool(self.trials)

    @property
    def training(self) -> list[RunningTrial]:
        """Trials that have begun and not ended."""
        return [trial for trial in self.trials.values() if trial.has_begun]

    @property
    def n_training(self) -> int:
        """Number of trials in training, at most one per slot.

        A population's next trials begin while the last epochs of the previous ones are measured.
        """
        n = len(self.training)
        return n if self.capacity.slots is None else min(n, self.capacity.slots)

    @property
    def suspects(self) -> list[RunningTrial]:
        """Trials that may have killed the worker: those in training, or else those it was sent."""
        return self.training or [t for t in self.trials.values() if t not in self.unsent]

    def columns(self) -> dict[str, Any]:
        """Return the columns of the worker's row, except its state."""
        return {
            "host": self.handle.host,
            "pid": self.handle.pid,
            "device": self.handle.device,
            "device_name": self.device_name,
            "driver_version": self.driver_version,
            "trainer": self.trainer,
            "fallback_reason": self.fallback_reason,
            "triton_version": self.triton_version,
            "ptxas_version": self.ptxas_version,
            "n_finished": self.n_finished,
            "slots": self.capacity.slots,
            "hidden_units": self.capacity.hidden_units if self.capacity.slots else None,
            **(vars(self.stats) if self.stats else {}),
        }

    def hand(self, trial: RunningTrial) -> None:
        """Assign a requested trial, to be sent when its row is written."""
        self.n_requested -= 1
        self.trials[trial.number] = trial
        self.unsent.append(trial)

    def find(self, number: int, attempt: int) -> RunningTrial | None:
        """Return this attempt of a trial; None if this worker never had it, or it has ended."""
        trial = self.trials.get(number)
        return trial if trial is not None and trial.spec.attempt == attempt else None

    def drop(self, trial: RunningTrial) -> None:
        """Release a trial."""
        del self.trials[trial.number]
        if trial in self.unsent:
            self.unsent.remove(trial)

    def stop(
        self, trial: RunningTrial, reason: StopReason, *, last_epoch: int | None = None
    ) -> None:
        """Tell the worker to end a trial early, and record why."""
        trial.note_stop(reason)
        self.handle.send(
            Stop(
                number=trial.number,
                attempt=trial.spec.attempt,
                reason=reason,
                last_epoch=last_epoch,
            )
        )


class WorkerPool:
    """All workers of a study: started, restarted when they die, shut down at the end."""

    def __init__(
        self,
        launcher: Launcher,
        setup: WorkerSetup,
        *,
        numbers: Iterator[int],
        n_retries: int = 2,
    ) -> None:
        self._launcher = launcher
        self.setup = setup
        self._workers: dict[str, Worker] = {}
        #: Started before they were requested.
        self._ahead: list[Worker] = []
        self._numbers = numbers
        self._n_retries = n_retries
        #: Why devices, by name, get the reference trainer in spite of ``setup``.
        self._fallback_reasons: dict[str, str] = {}
        self._failed_starts: dict[str, int] = {}
        self._fruitless: dict[str, int] = {}

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def __len__(self) -> int:
        return len(self._workers)

    def get(self, name: str) -> Worker | None:
        """Return the worker of that name, if there is one."""
        return self._workers.get(name)

    def keep_early(self, name: str, message: Event | Gone) -> None:
        """Keep a message of a worker that was started ahead until the worker is needed."""
        if not isinstance(message, Heartbeat | WorkerStats):
            for worker in self._ahead:
                if worker.name == name:
                    worker.early_messages.append(message)

    def start_ahead(self, devices: Sequence[str]) -> None:
        """Start the workers that ``start`` will soon be called for, on these devices."""
        for device in devices:
            self._ahead.append(self._launch(device))

    def start(self, device: str) -> Worker:
        """Start a worker on a device and send it its set-up."""
        for worker in self._ahead:
            if worker.device == device:
                self._ahead.remove(worker)
                self._launcher.inbox.put((worker.name, Heartbeat()))  # so they are handled soon
                break
        else:
            worker = self._launch(device)
        self._workers[worker.name] = worker
        return worker

    def _launch(self, device: str) -> Worker:
        name = f"w{next(self._numbers)}"
        handle = self._launcher.start(name, device)
        reason = self._fallback_reasons.get(device)
        trainer = self.setup.trainer if reason is None else Trainer.REFERENCE
        handle.send(replace(self.setup, trainer=trainer))
        return Worker(name=name, device=device, handle=handle, fallback_reason=reason)

    def leave_out(self, device: str) -> None:
        """Start no more workers on this device: another one would fail in the same way."""
        self._failed_starts[device] = STARTS_PER_DEVICE

    def fall_back(self, device: str, reason: str) -> None:
        """Start workers on this device with the reference trainer from now on."""
        self._fallback_reasons[device] = reason

    def forget_lost(self, worker: Worker, *, was_left_alone: bool = False) -> bool:
        """Forget a worker that died; return whether another may be started on its device.

        Always after a worker that was left alone: then this process was suspended.

        Not after STARTS_PER_DEVICE deaths in a row without a trial. Nor, while another device
        works, after one more consecutive death than a single trial can cause without any trial
        finishing: then the card's driver, memory or neighbour kills every worker, whatever it
        trains.
        """
        del self._workers[worker.name]
        if was_left_alone:
            return True
        device = worker.device
        # A death while training is blamed on the trial; a death without one is blamed on the
        # device.
        at_work = worker.ready and worker.trials
        failed = 0 if at_work else self._failed_starts.get(device, 0) + 1
        fruitless = 0 if worker.n_finished else self._fruitless.get(device, 0) + 1
        self._failed_starts[device], self._fruitless[device] = failed, fruitless
        works_elsewhere = any(other.device != device and other.n_finished for other in self)
        is_bad = works_elsewhere and fruitless > self._n_retries + 1
        return failed < STARTS_PER_DEVICE and not is_bad

    def shut_down(self) -> None:
        """Shut down all workers; kill those that do not exit in time, and unused processes."""
        for worker in self._ahead:
            worker.handle.kill()
        for worker in self:
            worker.handle.send(Shutdown())
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        for worker in self._all():
            if not worker.handle.wait(max(0.0, deadline - time.monotonic())):
                worker.handle.kill()
        self._forget()

    def kill(self) -> None:
        """Kill every worker now."""
        for worker in self._all():
            worker.handle.kill()
        for worker in self._all():
            worker.handle.wait(SHUTDOWN_SECONDS)
        self._forget()

    def _all(self) -> list[Worker]:
        return [*self._workers.values(), *self._ahead]

    def _forget(self) -> None:
        self._workers.clear()
        self._ahead.clear()
