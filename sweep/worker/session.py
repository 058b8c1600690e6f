"""Session of a worker that trains one trial at a time; it reads orders between epochs."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

import torch

from sweep.messages import (
    EpochDone,
    EpochMetrics,
    Event,
    Leave,
    Order,
    Shutdown,
    Train,
    TrialDiverged,
    TrialDone,
    TrialFailed,
    TrialLeft,
    TrialSpec,
    Verdict,
)
from sweep.trainer.device_errors import is_out_of_memory
from sweep.trainer.training import Diverged
from sweep.worker.stats import BEAT_SECONDS, Pulse, device_memory, device_meter

CPU = torch.device("cpu")

Attempt = tuple[int, int]  # number, attempt


class Training(Protocol):
    """A trial in training, as a session drives it."""

    epoch: int

    @property
    def finished(self) -> bool: ...

    def train_epoch(self) -> tuple[EpochMetrics, ...]: ...

    def result(self) -> TrialDone: ...


class Trainer(Protocol):
    """A trainer of single trials: the CPU trainer, the reference trainer, or a test's stand-in."""

    def start(self, spec: TrialSpec) -> Training: ...


class Session:
    """A worker's conversation with its coordinator, from Ready to Shutdown."""

    def __init__(
        self,
        trainer: Trainer,
        inbox: "SimpleQueue[Order]",
        send: Callable[[Event], None],
        *,
        pruning: bool,
        device: torch.device = CPU,
    ) -> None:
        self._trainer = trainer
        self._inbox = inbox
        self._send = send
        self._pruning = pruning
        self._pulse = Pulse(send, partial(device_memory, device), utilisation=device_meter(device))
        self._specs: deque[TrialSpec] = deque()
        self._leaving: set[Attempt] = set()
        self._current: Attempt | None = None
        #: The last epoch of the current trial that was judged, and from which one it is to leave.
        self._judged = 0
        self._leave_after: int | None = None
        self._shutdown = False

    def run(self) -> None:
        """Train whatever is handed over, until Shutdown."""
        while not (self._shutdown and not self._specs):
            if self._specs:
                self._train(self._specs.popleft())
            else:
                self._hear(self._wait())

    def _wait(self) -> Order:
        """The next order, however long it takes to come."""
        while True:
            with self._pulse.waiting(), suppress(Empty):
                return self._inbox.get(timeout=BEAT_SECONDS)
            self._pulse.beat(n_training=int(self._current is not None))

    def _train(self, spec: TrialSpec) -> None:
        attempt = (spec.number, spec.attempt)
        self._current, self._judged, self._leave_after = attempt, 0, None
        try:
            self._train_epochs(self._trainer.start(spec), attempt, spec)
        except Diverged as error:
            self._send(
                TrialDiverged(
                    number=spec.number,
                    attempt=spec.attempt,
                    epoch=error.epoch,
                    reason=error.reason,
                )
            )
        except (RuntimeError, ValueError, MemoryError) as error:  # torch's out of memory too
            if isinstance(error, torch.AcceleratorError) and not is_out_of_memory(error):
                raise  # the device cannot go on: die, and let the trial be handed out again
            self._send(
                TrialFailed(
                    number=spec.number,
                    attempt=spec.attempt,
                    reason=f"{type(error).__name__}: {error}",
                )
            )
        self._leaving.discard(attempt)
        self._current = None

    def _train_epochs(self, training: Training, attempt: Attempt, spec: TrialSpec) -> None:
        self._hear_waiting()
        while attempt not in self._leaving and not training.finished:
            with self._pulse.training():
                metrics = training.train_epoch()
            self._send(
                EpochDone(
                    number=spec.number,
                    attempt=spec.attempt,
                    epoch=training.epoch,
                    metrics=metrics,
                )
            )
            self._pulse.beat(n_training=1)
            # A verdict takes effect one epoch later, always: so a pruned trial ends at the same
            # epoch whether the coordinator answers fast or slowly.
            if self._pruning:
                self._await_verdict(attempt, training.epoch - 1)
            self._hear_waiting()
        if attempt in self._leaving:
            self._send(TrialLeft(number=spec.number, attempt=spec.attempt, epoch=training.epoch))
        else:
            self._send(training.result())

    def _await_verdict(self, attempt: Attempt, epoch: int) -> None:
        """Obey the verdict on an epoch, once it is there."""
        while attempt not in self._leaving and self._judged < epoch:
            self._hear(self._wait())
        if self._leave_after is not None and self._leave_after <= epoch:
            self._leaving.add(attempt)

    def _hear_waiting(self) -> None:
        while True:
            try:
                self._hear(self._inbox.get_nowait())
            except Empty:
                return

    def _hear(self, order: Order) -> None:
        match order:
            case Train(specs=specs):
                self._specs.extend(specs)
            case Verdict(number=number, attempt=attempt, epoch=epoch, leave=leave):
                if (number, attempt) == self._current:
                    self._judged = max(self._judged, epoch)
                    if leave and self._leave_after is None:
                        self._leave_after = epoch
            case Leave(number=number, attempt=attempt):
                self._leaving.add((number, attempt))
            case Shutdown():
                self._shutdown = True
