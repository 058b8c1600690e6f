"""What a worker does with its orders when it trains populations: many trials at the same time.

A turn is one epoch of every population, one population a batch size. The device is asked for an
epoch before the last one is collected, so it never waits; so a trial is one epoch ahead of what its
coordinator has heard, never more. A verdict on epoch e takes effect after epoch e + 1, as it does
with the reference trainer.

Trials enter between epochs, in the order of their hand-out, as far as there is room. One that finds
none may be passed by later ones, in PATIENCE turns; then nobody enters before it, so that a wide
trial waits for no more than the trials that are in.

Networks are looked into beside the training (``looking``); only while too many of them wait is no
epoch asked for.
"""

import gc
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from statistics import fmean
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sweep.trial import (
    EpochDone,
    EpochsDone,
    Event,
    Leave,
    Limits,
    Order,
    PopulationHalved,
    Room,
    Shutdown,
    Train,
    TrialDiverged,
    TrialDone,
    TrialFailed,
    TrialLeft,
    TrialSpec,
    Verdict,
)
from sweep.worker.keeping import Keeping
from sweep.worker.looking import Find, Look, Looker
from sweep.worker.pulse import BEAT_SECONDS, Pulse, device_memory, device_meter

if TYPE_CHECKING:  # a worker that only pretends to train does without it
    import torch

#: Turns in which a trial that waits may be passed by later ones.
PATIENCE = 4
#: Between two looks at whether there is room for more networks that wait to be looked into.
MOMENT_SECONDS = 0.05
#: For the look under way when the worker fails, before that is told.
FAILURE_SECONDS = 2.0

Epoch = TypeVar("Epoch")


class PopulationTrainer(Protocol[Epoch]):
    """Whoever trains a population: the fused trainer, or a test's stand-in."""

    @property
    def trained_seconds(self) -> float: ...

    @property
    def goes_on(self) -> bool: ...

    def admit(self, spec: TrialSpec) -> bool: ...

    def stop(self, number: int) -> None: ...

    def release(self, number: int) -> None: ...

    def launch_epoch(self) -> Epoch: ...

    def collect(self, launched: Epoch) -> list[EpochDone | TrialDiverged]: ...

    def result(self, number: int, limits: Limits | None = None) -> TrialDone: ...

    def network(self, number: int) -> Any: ...

    def close(self) -> None: ...


@dataclass(kw_only=True)
class Waiting:
    """A trial without a place."""

    spec: TrialSpec
    #: Turns in which later ones entered before it.
    passed: int = 0


@dataclass(kw_only=True)
class Inside:
    """A trial in a population."""

    spec: TrialSpec
    #: Epochs that the device was asked for, and those that were collected.
    launched: int = 0
    epoch: int = 0
    #: The last epoch that was judged, and from which one it is to leave.
    judged: int = 0
    leave_after: int | None = None
    stopped: bool = False

    @property
    def goes_on(self) -> bool:
        return not self.stopped and self.launched < self.spec.config.epochs

    @property
    def awaits_verdict(self) -> bool:
        """On the epoch before the one that the device works on."""
        return self.goes_on and self.judged < self.launched - 1

    @property
    def is_to_leave(self) -> bool:
        return self.leave_after is not None and self.leave_after < self.launched


@dataclass(kw_only=True)
class Population(Generic[Epoch]):
    """The trials of one batch size, and the epoch that the device works on."""

    trainer: PopulationTrainer[Epoch]
    inside: dict[int, Inside] = field(default_factory=dict)
    flying: Epoch | None = None

    @property
    def n_slots(self) -> int:
        """In use."""
        return sum(len(one.spec.seeds) for one in self.inside.values())

    def turn(self, goes_on: bool = True) -> list[EpochDone | TrialDiverged]:
        """Ask for the next epoch, if it goes on, then fetch the last one."""
        last, self.flying = self.flying, None
        if goes_on and self.trainer.goes_on:
            self.flying = self.trainer.launch_epoch()
            for one in self.inside.values():
                one.launched += one.goes_on
        return [] if last is None else self.trainer.collect(last)

    def stop(self, one: Inside) -> bool:
        """Let a trial leave after what was launched; whether nothing of that is still to come."""
        if one.goes_on:
            one.stopped = True
            self.trainer.stop(one.spec.number)
        return one.epoch == one.launched

    def release(self, number: int) -> None:
        del self.inside[number]
        self.trainer.release(number)


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
        find: Find,
        pruning: bool,
        device: "torch.device | None" = None,  # None is the CPU
    ) -> None:
        self._make = make
        self._inbox = inbox
        self._send = send
        self._room = room
        self._halve = halve
        self._pruning = pruning
        self._device = device
        self._queue: dict[int, Waiting] = {}
        #: By batch size.
        self._populations: dict[int, Population[Epoch]] = {}
        self._keeping = Keeping()
        self._looker = Looker(find, send)
        self._trained_before = 0.0
        self._pulse = Pulse(
            send,
            partial(device_memory, device),
            trained=self._trained_seconds,
            utilisation=device_meter(device),
        )
        self._shutdown = False

    def run(self) -> None:
        """Train whatever is handed over, until Shutdown."""
        try:
            self._converse()
        except BaseException:
            self._looker.close(FAILURE_SECONDS)  # a look that hangs must not hide the failure
            raise
        self._looker.close()

    def _converse(self) -> None:
        while True:
            self._hear_waiting()
            if self._queue or any(p.inside for p in self._populations.values()):
                self._take_turn()
            elif self._shutdown:
                return
            else:
                self._hear(self._wait())

    # Turns

    def _take_turn(self) -> None:
        try:
            self._turn()
            return
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            reason = f"{type(error).__name__}: {error}"
        self._start_smaller(reason)  # out here, where the error holds no tensor any more

    def _turn(self) -> None:
        if self._pruning:
            self._await_verdicts()
        self._let_leave()
        self._admit()
        goes_on = self._looker.has_room
        with self._pulse.training():
            events = [event for p in self._populations.values() for event in p.turn(goes_on)]
        self._report(events)
        if not goes_on:
            self._hear_for_a_moment()
        self._beat()

    def _report(self, events: Iterable[EpochDone | TrialDiverged]) -> None:
        """All epochs in one go, then who ended with theirs."""
        epochs = tuple(event for event in events if isinstance(event, EpochDone))
        if epochs:
            self._send(EpochsDone(epochs=epochs))
        for event in events:
            if isinstance(event, TrialDiverged):
                del self._of(event.number).inside[event.number]  # its trainer released it
                self._keeping.forget(event.number)
                self._send(event)
            else:
                self._finish(event)

    def _finish(self, event: EpochDone) -> None:
        """A trial at its end leaves with its result; one that was told to leave, without."""
        number, population = event.number, self._of(event.number)
        one = population.inside[number]
        one.epoch = event.epoch
        if one.epoch == one.spec.config.epochs:
            done = population.trainer.result(number, self._keeping.finish(event))
            # Copied before the result is told: memory that runs out here lets the trial begin anew,
            # and a look that is told to follow does.
            network = population.trainer.network(number) if done.look_follows else None
            self._send(done)
            if done.look_follows:
                self._look_into(network, event, one.spec)
            population.release(number)
        elif one.stopped and one.epoch == one.launched:
            self._leave(population, one)

    def _look_into(self, network: Any, last: EpochDone, spec: TrialSpec) -> None:
        error = fmean(metrics.val_mse for metrics in last.metrics)
        self._looker.take(Look(spec=spec, error=error, network=network))

    def _leave(self, population: Population[Epoch], one: Inside) -> None:
        population.release(one.spec.number)
        self._left(one.spec, one.epoch)

    def _left(self, spec: TrialSpec, epoch: int) -> None:
        self._keeping.forget(spec.number)
        self._send(TrialLeft(number=spec.number, attempt=spec.attempt, epoch=epoch))

    # Who is in

    def _let_leave(self) -> None:
        for population in self._populations.values():
            for one in list(population.inside.values()):
                if one.is_to_leave and population.stop(one):
                    self._leave(population, one)

    def _admit(self) -> None:
        """First come, first served, as far as there is room and nobody waits too long."""
        ahead: list[Waiting] = []
        n_passed = 0
        for waiting in list(self._queue.values()):
            if self._enters(waiting.spec):
                n_passed = len(ahead)
                continue
            ahead.append(waiting)
            if waiting.passed >= PATIENCE:
                break
        for waiting in ahead[:n_passed]:
            waiting.passed += 1

    def _enters(self, spec: TrialSpec) -> bool:
        """Whether a trial waits no longer."""
        try:
            population = self._population_for(spec.config.batch_size)
            if population is None or not population.trainer.admit(spec):
                return False
        except ValueError as error:  # it fits into no population, now or later
            self._fail(self._queue.pop(spec.number).spec, str(error))
            return True
        del self._queue[spec.number]
        population.inside[spec.number] = Inside(spec=spec)
        return True

    def _population_for(self, batch_size: int) -> Population[Epoch] | None:
        """That batch size's population; None where others have all the room."""
        if batch_size in self._populations:
            return self._populations[batch_size]
        if len(self._populations) >= self._room.n_populations:
            empty = [size for size, p in self._populations.items() if not p.inside]
            if not empty:
                return None
            self._close(empty[0])
        made = Population(trainer=self._make(batch_size, self._room))
        self._populations[batch_size] = made
        return made

    def _close(self, batch_size: int) -> None:
        trainer = self._populations.pop(batch_size).trainer
        self._trained_before += trainer.trained_seconds
        trainer.close()
        del trainer
        self._free_memory()

    def _free_memory(self) -> None:
        gc.collect()  # a population and its captured launches hold one another
        if self._device is not None and self._device.type == "cuda":
            import torch

            torch.cuda.empty_cache()

    def _of(self, number: int) -> Population[Epoch]:
        return next(p for p in self._populations.values() if number in p.inside)

    # Running out of memory

    def _start_smaller(self, reason: str) -> None:
        """Nothing that trained can be trusted: it begins anew, in populations of half the size."""
        specs = [one.spec for p in self._populations.values() for one in p.inside.values()]
        for batch_size in list(self._populations):
            self._close(batch_size)
        smaller = self._halve(self._room)
        if smaller is None:
            for spec in specs or [self._queue.pop(number).spec for number in list(self._queue)]:
                self._fail(spec, reason)
            return
        for spec in specs:
            self._keeping.forget(spec.number)
        before, self._room = self._room, smaller
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

    # Orders

    def _await_verdicts(self) -> None:
        """Those on the epochs before the ones that the device works on."""
        while any(
            one.awaits_verdict for p in self._populations.values() for one in p.inside.values()
        ):
            self._hear(self._wait())
            self._hear_waiting()

    def _wait(self) -> Order:
        """The next order, however long it takes to come."""
        while True:
            with self._pulse.waiting(), suppress(Empty):
                return self._inbox.get(timeout=BEAT_SECONDS)
            self._beat()

    def _hear_for_a_moment(self) -> None:
        with self._pulse.waiting(), suppress(Empty):
            self._hear(self._inbox.get(timeout=MOMENT_SECONDS))

    def _hear_waiting(self) -> None:
        while True:
            try:
                self._hear(self._inbox.get_nowait())
            except Empty:
                return

    def _hear(self, order: Order) -> None:
        match order:
            case Train(specs=specs):
                for spec in specs:
                    self._queue[spec.number] = Waiting(spec=spec)
                    self._keeping.begin(spec)
            case Verdict(number=number, attempt=attempt, epoch=epoch, leave=leave):
                if (one := self._find(number, attempt)) is not None:
                    one.judged = max(one.judged, epoch)
                    if leave and one.leave_after is None:
                        one.leave_after = epoch
            case Leave(number=number, attempt=attempt):
                self._hear_leave(number, attempt)
            case Shutdown():
                self._shutdown = True

    def _hear_leave(self, number: int, attempt: int) -> None:
        waiting = self._queue.get(number)
        if waiting is not None and waiting.spec.attempt == attempt:
            del self._queue[number]
            self._left(waiting.spec, 0)
        elif (one := self._find(number, attempt)) is not None:
            one.leave_after = -1  # after whatever is launched

    def _find(self, number: int, attempt: int) -> Inside | None:
        """A trial that is in, if it is of this attempt."""
        for population in self._populations.values():
            one = population.inside.get(number)
            if one is not None and one.spec.attempt == attempt:
                return one
        return None

    # Vitals

    def _beat(self) -> None:
        self._pulse.beat(n_training=sum(p.n_slots for p in self._populations.values()))

    def _trained_seconds(self) -> float:
        """By all populations, those that are gone too."""
        now = sum(p.trainer.trained_seconds for p in self._populations.values())
        return self._trained_before + now


def _is_out_of_memory(error: Exception) -> bool:
    if "torch" not in sys.modules:  # a worker that only pretends to train
        return isinstance(error, MemoryError)
    from sweep.trainer.device_errors import is_out_of_memory

    return is_out_of_memory(error)
