"""Orders to a worker with populations: trials to train, verdicts, cancellations, shutdown."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from sweep.messages import Leave, Order, Shutdown, Train, TrialSpec, Verdict
from sweep.worker.artifact_policy import ArtifactPolicy
from sweep.worker.population_set import PopulationSet
from sweep.worker.stats import BEAT_SECONDS, Pulse


@dataclass(kw_only=True)
class QueuedTrial:
    """A trial without a place."""

    spec: TrialSpec
    #: Turns in which later ones entered before it.
    passed: int = 0


class OrderHandler:
    """Reads the inbox, and applies orders to the queue and the trials."""

    def __init__(
        self,
        inbox: "SimpleQueue[Order]",
        populations: PopulationSet[Any],
        *,
        keeping: ArtifactPolicy,
        pulse: Pulse,
        leave: Callable[[TrialSpec], None],
    ) -> None:
        self._inbox = inbox
        self._populations = populations
        self._keeping = keeping
        self._pulse = pulse
        #: Told of a trial that leaves before it had a place.
        self._leave = leave
        #: By number, in the order of their hand-out.
        self.queue: dict[int, QueuedTrial] = {}
        self.shutdown = False

    def handle_waiting(self) -> None:
        """Handle the orders that are there."""
        while True:
            try:
                self._handle(self._inbox.get_nowait())
            except Empty:
                return

    def handle_next(self) -> None:
        """Handle the next order, however long it takes to come."""
        while True:
            with self._pulse.waiting(), suppress(Empty):
                order = self._inbox.get(timeout=BEAT_SECONDS)
                break
            self.beat()
        self._handle(order)

    def await_verdicts(self) -> None:
        """Handle orders until the epochs before those that the device works on have verdicts."""
        while any(trial.awaits_verdict for trial in self._populations.trials):
            self.handle_next()
            self.handle_waiting()

    def beat(self) -> None:
        self._pulse.beat(n_training=self._populations.n_slots)

    def _handle(self, order: Order) -> None:
        match order:
            case Train(specs=specs):
                for spec in specs:
                    self.queue[spec.number] = QueuedTrial(spec=spec)
                    self._keeping.begin(spec)
            case Verdict(number=number, attempt=attempt, epoch=epoch, leave=leave):
                if (trial := self._populations.find(number, attempt)) is not None:
                    trial.judged = max(trial.judged, epoch)
                    if leave and trial.leave_after is None:
                        trial.leave_after = epoch
            case Leave(number=number, attempt=attempt):
                self._handle_leave(number, attempt)
            case Shutdown():
                self.shutdown = True

    def _handle_leave(self, number: int, attempt: int) -> None:
        queued = self.queue.get(number)
        if queued is not None and queued.spec.attempt == attempt:
            del self.queue[number]
            self._leave(queued.spec)
        elif (trial := self._populations.find(number, attempt)) is not None:
            trial.leave_after = -1  # after whatever is launched
