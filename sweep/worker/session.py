"""A worker's conversation with its coordinator: queue trials, train them, report, stop.

A turn of the session is one epoch of all trials in training. Orders are read between turns. The
judgement of epoch e always takes effect after epoch e + 1, so a pruned trial ends at the same epoch
whether the coordinator answers fast or slowly.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from sweep.active_trial import ActiveTrial
from sweep.messages import (
    Attempt,
    Capacity,
    EpochDone,
    EpochsDone,
    EpochsJudged,
    Event,
    Order,
    PopulationHalved,
    Shutdown,
    Stop,
    Train,
    TrialDiverged,
    TrialDone,
    TrialFailed,
    TrialRequest,
    TrialSpec,
    TrialStopped,
)
from sweep.worker.artifact_policy import ArtifactPolicy
from sweep.worker.stats import REPORT_SECONDS, StatsReporter, device_memory, device_meter
from sweep.worker.trial_queue import TrialQueue

if TYPE_CHECKING:  # a simulated worker does not load torch
    import torch


class SessionTrainer(Protocol):
    """What a session trains with: single trials, populations, or a test double.

    It counts a trial's epochs in the ``ActiveTrial`` that ``admit`` returned. A trial leaves it
    with its result or failure, or, if stopped, with the last epoch that was launched.
    """

    def trained_seconds(self) -> float:
        """Return the seconds in which the device has trained so far."""

    def capacity(self) -> Capacity:
        """Return how much can train at the same time."""

    def n_free(self) -> int:
        """Estimate how many more trials would fit; below 0 where some end only with this epoch."""

    def admit(self, spec: TrialSpec) -> ActiveTrial | None:
        """Begin a trial; None if it does not fit now. Raises ValueError if it never will."""

    def train_epoch(self) -> Sequence[EpochDone | TrialDiverged | TrialFailed]:
        """Train all trials for an epoch; return outcomes, perhaps of the previous epoch."""

    def stop(self, trial: ActiveTrial) -> None:
        """Launch no more epochs of a trial."""

    def result(self, number: int, keep_below: float) -> TrialDone | TrialFailed:
        """Measure a trial that has trained to its last epoch, with artifacts below this error."""

    def halve(self) -> Capacity | None:
        """Drop all trials and halve the capacity; None if it cannot be less."""


class Session:
    """A worker's conversation with its coordinator, from Ready to Shutdown."""

    def __init__(
        self,
        trainer: SessionTrainer,
        orders: "SimpleQueue[Order]",
        send: Callable[[Event], None],
        *,
        pruning: bool,
        device: "torch.device | None" = None,  # None means the CPU
    ) -> None:
        self._trainer = trainer
        self._orders = orders
        self._send = send
        self._pruning = pruning
        self._artifacts = ArtifactPolicy()
        self._stats = StatsReporter(
            send,
            partial(device_memory, device),
            trainer.trained_seconds,
            utilisation=device_meter(device),
        )
        self._queue = TrialQueue()
        #: By number.
        self._active: dict[int, ActiveTrial] = {}
        #: The trial that the trainer is about to admit.
        self._beginning: TrialSpec | None = None
        #: Train one trial at a time: the smallest capacity ran out of memory.
        self._alone = False
        #: Trials that were requested and have not arrived.
        self._n_requested = 0
        self._shutdown = False

    def run(self) -> None:
        """Train the trials that arrive, until Shutdown."""
        while True:
            self._handle_waiting()
            if self._queue or self._active:
                self._take_turn()
            elif self._shutdown:
                return
            else:
                self._request()
                self._handle_next()

    # Turns

    def _take_turn(self) -> None:
        try:
            self._turn()
            return
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            reason = f"{type(error).__name__}: {error}"
        self._start_smaller(reason)  # here, where the error no longer refers to tensors

    def _turn(self) -> None:
        if self._pruning:
            self._await_judgements()
        self._stop_due()
        self._begin_queued()
        if self._active:
            with self._stats.mark_training():
                outcomes = self._trainer.train_epoch()
            self._report(outcomes)
        self._handle_waiting()
        self._request()  # in time for the next turn
        self._report_stats()

    def _report(self, outcomes: Iterable[EpochDone | TrialDiverged | TrialFailed]) -> None:
        """Send all epochs in one message, then the results of trials that ended with theirs."""
        epochs = tuple(outcome for outcome in outcomes if isinstance(outcome, EpochDone))
        if epochs:
            self._send(EpochsDone(epochs=epochs))
        for outcome in outcomes:
            if isinstance(outcome, EpochDone):
                self._finish(outcome)
            else:
                self._end(outcome)

    def _finish(self, last: EpochDone) -> None:
        """End a trial after its last epoch: with a result, or without one if it was stopped."""
        trial = self._active[last.number]
        if last.epoch == trial.spec.config.epochs:
            self._end(self._trainer.result(last.number, self._artifacts.finish(last)))
        elif trial.stopped and trial.is_collected:
            self._end(_as_stopped(trial.spec, trial.epoch))

    def _end(self, event: TrialDone | TrialDiverged | TrialFailed | TrialStopped) -> None:
        if self._find(event.number, event.attempt) is not None:
            del self._active[event.number]
        self._artifacts.forget(event.number)
        self._send(event)

    def _stop_due(self) -> None:
        for trial in [*self._active.values()]:
            if trial.is_due_to_stop:
                self._trainer.stop(trial)
                if trial.is_collected:
                    self._end(_as_stopped(trial.spec, trial.epoch))

    # The queue

    def _begin_queued(self) -> None:
        began: list[Attempt] = []

        def begin(spec: TrialSpec) -> bool:
            if self._alone and self._active:
                return False
            self._beginning = spec
            try:
                trial = self._trainer.admit(spec)
            except ValueError as error:
                self._end(_as_failed(spec, str(error)))
                return True
            if trial is not None:
                self._active[spec.number] = trial
                began.append(Attempt(spec.number, spec.attempt))
            return trial is not None

        self._queue.admit(begin)
        self._beginning = None
        self._request(tuple(began))

    def _request(self, began: tuple[Attempt, ...] = ()) -> None:
        """Request the trials that fit in addition to those in training, and a few to queue.

        More than the queue holds are requested only while it is empty: as long as a trial waits in
        it, there may be no room for others.
        """
        n_free = self._trainer.n_free()
        if self._queue:
            n_free = min(n_free, 0)
        n_queued = len(self._queue) + self._n_requested
        n = max(0, self._trainer.capacity().n_queued + n_free - n_queued)
        n = 0 if self._shutdown else n
        if n or began:
            self._n_requested += n
            self._send(TrialRequest(n=n, began=began))

    # Orders

    def _handle_waiting(self) -> None:
        """Handle the orders that have arrived."""
        with suppress(Empty):
            while True:
                self._handle(self._orders.get_nowait())

    def _handle_next(self) -> None:
        """Wait for the next order and handle it."""
        while True:
            with suppress(Empty):
                order = self._orders.get(timeout=REPORT_SECONDS)
                break
            self._report_stats()
        self._handle(order)

    def _await_judgements(self) -> None:
        """Handle orders until the epochs before the last launched ones are judged."""
        while any(trial.awaits_judgement for trial in self._active.values()):
            self._handle_next()
            self._handle_waiting()

    def _handle(self, order: Order) -> None:
        match order:
            case Train(specs=specs):
                self._n_requested = max(0, self._n_requested - len(specs))
                for spec in specs:
                    self._queue.add(spec)
                    self._artifacts.begin(spec)
            case EpochsJudged(epochs=epochs):
                for number, attempt, epoch in epochs:
                    if (trial := self._find(number, attempt)) is not None:
                        trial.judged = max(trial.judged, epoch)
            case Stop():
                self._handle_stop(order)
            case Shutdown():
                self._shutdown = True

    def _handle_stop(self, order: Stop) -> None:
        if (spec := self._queue.remove(order.number, order.attempt)) is not None:
            self._end(_as_stopped(spec, 0))
        elif (trial := self._find(order.number, order.attempt)) is not None:
            trial.stop_after(order.last_epoch)

    def _find(self, number: int, attempt: int) -> ActiveTrial | None:
        """Return a trial in training, if it is of this attempt."""
        trial = self._active.get(number)
        return trial if trial is not None and trial.spec.attempt == attempt else None

    def _report_stats(self) -> None:
        counts_seeds = self._trainer.capacity().slots is not None
        n = sum(len(trial.spec.seeds) if counts_seeds else 1 for trial in self._active.values())
        self._stats.report(n_training=n)

    # Running out of memory

    def _start_smaller(self, reason: str) -> None:
        """Requeue all trials, whose numbers can't be trusted now, with half the capacity.

        If it is minimal, trials train one at a time, and one that runs out of memory alone fails.
        """
        specs = [trial.spec for trial in self._active.values()]
        suspects = specs if self._beginning is None else [*specs, self._beginning]
        before, capacity = self._trainer.capacity(), self._trainer.halve()
        if capacity is None and len(suspects) == 1:
            self._queue.remove(suspects[0].number, suspects[0].attempt)
            self._end(_as_failed(suspects[0], reason))
            return
        self._alone = capacity is None
        self._active.clear()
        for spec in specs:
            self._artifacts.forget(spec.number)
        self._send(
            PopulationHalved(
                before=before,
                capacity=capacity or before,
                put_back=tuple(Attempt(spec.number, spec.attempt) for spec in specs),
                reason=reason,
            )
        )


def _as_stopped(spec: TrialSpec, epoch: int) -> TrialStopped:
    return TrialStopped(number=spec.number, attempt=spec.attempt, epoch=epoch)


def _as_failed(spec: TrialSpec, reason: str) -> TrialFailed:
    return TrialFailed(number=spec.number, attempt=spec.attempt, reason=reason)


def _is_out_of_memory(error: Exception) -> bool:
    if "torch" not in sys.modules:  # a simulated worker
        return isinstance(error, MemoryError)
    from sweep.trainer import device_errors

    return device_errors.is_out_of_memory(error)
