"""What a worker does with its orders when it trains populations: many trials at the same time.

A turn is one epoch of every population, one population a batch size. The device is asked for an
epoch before the last one is collected, so it never waits; so a trial is one epoch ahead of what its
coordinator has heard, never more. A verdict on epoch e takes effect after epoch e + 1, as it does
with the reference trainer.

Trials enter between epochs, in the order of their hand-out, as far as there is room. One that finds
none may be passed by later ones, in PATIENCE turns; then none enters before it, so that a wide
trial waits for no more than the trials that are in.
"""

from collections.abc import Callable, Iterable
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic

from sweep.active_trial import ActiveTrial
from sweep.messages import (
    EpochDone,
    EpochsDone,
    Event,
    Order,
    PopulationHalved,
    Room,
    TrialDiverged,
    TrialFailed,
    TrialLeft,
    TrialSpec,
)
from sweep.worker.artifact_policy import ArtifactPolicy
from sweep.worker.population_orders import OrderHandler, QueuedTrial
from sweep.worker.population_set import (
    Epoch,
    Population,
    PopulationSet,
    PopulationTrainer,
    is_out_of_memory,
)
from sweep.worker.stats import Pulse, device_memory, device_meter

if TYPE_CHECKING:  # a worker that only pretends to train does without it
    import torch

#: Turns in which a trial that waits may be passed by later ones.
PATIENCE = 4


class PopulationSession(Generic[Epoch]):
    """A worker's conversation with its coordinator, from Ready to Shutdown."""

    def __init__(
        self,
        make: Callable[[int, Room], PopulationTrainer[Epoch]],  # batch size
        inbox: "SimpleQueue[Order]",
        send: Callable[[Event], None],
        *,
        room: Room,
        halve: Callable[[Room], Room | None],
        pruning: bool,
        device: "torch.device | None" = None,  # None is the CPU
    ) -> None:
        self._send = send
        self._pruning = pruning
        self._populations = PopulationSet(make, room=room, halve=halve, device=device)
        self._keeping = ArtifactPolicy()
        self._pulse = Pulse(
            send,
            partial(device_memory, device),
            trained=self._populations.trained_seconds,
            utilisation=device_meter(device),
        )
        self._orders = OrderHandler(
            inbox,
            self._populations,
            keeping=self._keeping,
            pulse=self._pulse,
            leave=lambda spec: self._left(spec, 0),
        )

    def run(self) -> None:
        """Train whatever is handed over, until Shutdown."""
        while True:
            self._orders.handle_waiting()
            if self._orders.queue or self._populations.trials:
                self._take_turn()
            elif self._orders.shutdown:
                return
            else:
                self._orders.handle_next()

    # Turns

    def _take_turn(self) -> None:
        try:
            self._turn()
            return
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = f"{type(error).__name__}: {error}"
        self._start_smaller(reason)  # out here, where the error holds no tensor any more

    def _turn(self) -> None:
        if self._pruning:
            self._orders.await_verdicts()
        self._let_leave()
        self._admit()
        with self._pulse.training():
            events = [event for one in self._populations for event in one.turn()]
        self._report(events)
        self._orders.beat()

    def _report(self, events: Iterable[EpochDone | TrialDiverged]) -> None:
        """Send all epochs in one go, then the results of trials that ended with theirs."""
        epochs = tuple(event for event in events if isinstance(event, EpochDone))
        if epochs:
            self._send(EpochsDone(epochs=epochs))
        for event in events:
            if isinstance(event, TrialDiverged):
                # Its trainer released it.
                del self._populations.of(event.number).trials[event.number]
                self._keeping.forget(event.number)
                self._send(event)
            else:
                self._finish(event)

    def _finish(self, event: EpochDone) -> None:
        """Let a trial at its end leave with its result, and one that was told to leave without."""
        number, population = event.number, self._populations.of(event.number)
        trial = population.trials[number]
        if event.epoch == trial.spec.config.epochs:
            self._send(population.trainer.result(number, self._keeping.finish(event)))
            population.release(number)
        elif trial.stopped and trial.is_collected:
            self._leave(population, trial)

    def _leave(self, population: Population[Epoch], trial: ActiveTrial) -> None:
        population.release(trial.spec.number)
        self._left(trial.spec, trial.epoch)

    def _left(self, spec: TrialSpec, epoch: int) -> None:
        self._keeping.forget(spec.number)
        self._send(TrialLeft(number=spec.number, attempt=spec.attempt, epoch=epoch))

    # Admission

    def _let_leave(self) -> None:
        for population in self._populations:
            for trial in list(population.trials.values()):
                if trial.is_to_leave and population.stop(trial):
                    self._leave(population, trial)

    def _admit(self) -> None:
        """First come, first served, as far as there is room and none waits too long."""
        ahead: list[QueuedTrial] = []
        n_passed = 0
        for queued in list(self._orders.queue.values()):
            if self._enters(queued.spec):
                n_passed = len(ahead)
                continue
            ahead.append(queued)
            if queued.passed >= PATIENCE:
                break
        for queued in ahead[:n_passed]:
            queued.passed += 1

    def _enters(self, spec: TrialSpec) -> bool:
        """Whether a trial waits no longer."""
        try:
            population = self._populations.for_batch_size(spec.config.batch_size)
            if population is None or not population.admit(spec):
                return False
        except ValueError as error:  # it fits into no population, now or later
            self._fail(self._orders.queue.pop(spec.number).spec, str(error))
            return True
        del self._orders.queue[spec.number]
        return True

    # Running out of memory

    def _start_smaller(self, reason: str) -> None:
        """Requeue all trials, whose numbers can't be trusted now, and halve the populations."""
        specs = [trial.spec for trial in self._populations.trials]
        before = self._populations.room
        smaller = self._populations.close_and_halve()
        if smaller is None:
            queue = self._orders.queue
            for spec in specs or [queue.pop(number).spec for number in list(queue)]:
                self._fail(spec, reason)
            return
        for spec in specs:
            self._keeping.forget(spec.number)
        self._send(
            PopulationHalved(
                before=before,
                room=smaller,
                put_back=tuple((spec.number, spec.attempt) for spec in specs),
                reason=reason,
            )
        )

    def _fail(self, spec: TrialSpec, reason: str) -> None:
        self._keeping.forget(spec.number)
        self._send(TrialFailed(number=spec.number, attempt=spec.attempt, reason=reason))
