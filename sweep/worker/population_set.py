"""The populations of a worker: one a batch size, and smaller ones when memory runs out."""

import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from sweep.active_trial import ActiveTrial
from sweep.messages import EpochDone, Room, TrialDiverged, TrialDone, TrialSpec

if TYPE_CHECKING:  # a worker that only pretends to train does without it
    import torch

Epoch = TypeVar("Epoch")


class PopulationTrainer(Protocol[Epoch]):
    """Trainer of a population: the fused trainer, or a test's stand-in.

    It counts a trial's epochs in the ``ActiveTrial`` that ``admit`` returned: ``launched`` when it
    launches one, ``epoch`` when it collects one.
    """

    @property
    def trained_seconds(self) -> float: ...

    @property
    def goes_on(self) -> bool: ...

    def admit(self, spec: TrialSpec) -> ActiveTrial | None: ...

    def stop(self, number: int) -> None: ...

    def release(self, number: int) -> None: ...

    def launch_epoch(self) -> Epoch: ...

    def collect(self, launched: Epoch) -> list[EpochDone | TrialDiverged]: ...

    def result(self, number: int, keep_below: float | None = None) -> TrialDone: ...

    def close(self) -> None: ...


@dataclass(kw_only=True)
class Population(Generic[Epoch]):
    """The trials of one batch size, and the epoch that the device works on."""

    trainer: PopulationTrainer[Epoch]
    #: By number.
    trials: dict[int, ActiveTrial] = field(default_factory=dict)
    in_flight: Epoch | None = None

    @property
    def n_slots(self) -> int:
        """Slots in use."""
        return sum(len(trial.spec.seeds) for trial in self.trials.values())

    def admit(self, spec: TrialSpec) -> bool:
        """Take a trial in, if there is room. Raises ValueError if it never fits."""
        trial = self.trainer.admit(spec)
        if trial is None:
            return False
        self.trials[spec.number] = trial
        return True

    def turn(self) -> list[EpochDone | TrialDiverged]:
        """Ask for the next epoch, if there is one, then fetch the last one."""
        last, self.in_flight = self.in_flight, None
        if self.trainer.goes_on:
            self.in_flight = self.trainer.launch_epoch()
        return [] if last is None else self.trainer.collect(last)

    def stop(self, trial: ActiveTrial) -> bool:
        """Let a trial leave after what was launched; tell whether all of that was collected."""
        if trial.goes_on:
            self.trainer.stop(trial.spec.number)
        return trial.is_collected

    def release(self, number: int) -> None:
        del self.trials[number]
        self.trainer.release(number)


class PopulationSet(Generic[Epoch]):
    """All populations that a worker has, within its room."""

    def __init__(
        self,
        make: Callable[[int, Room], PopulationTrainer[Epoch]],  # batch size
        *,
        room: Room,
        halve: Callable[[Room], Room | None],
        device: "torch.device | None",  # None is the CPU
    ) -> None:
        self.room = room
        self._make = make
        self._halve = halve
        self._device = device
        self._by_batch_size: dict[int, Population[Epoch]] = {}
        self._trained_before = 0.0

    def __iter__(self) -> Iterator[Population[Epoch]]:
        return iter(list(self._by_batch_size.values()))

    @property
    def trials(self) -> list[ActiveTrial]:
        return [trial for population in self for trial in population.trials.values()]

    @property
    def n_slots(self) -> int:
        """Slots in use."""
        return sum(population.n_slots for population in self)

    def trained_seconds(self) -> float:
        """Sum over all populations, closed ones included."""
        return self._trained_before + sum(one.trainer.trained_seconds for one in self)

    def of(self, number: int) -> Population[Epoch]:
        """Return the population that a trial is in."""
        return next(population for population in self if number in population.trials)

    def find(self, number: int, attempt: int) -> ActiveTrial | None:
        """Return a trial in training, if it is of this attempt."""
        for population in self:
            trial = population.trials.get(number)
            if trial is not None and trial.spec.attempt == attempt:
                return trial
        return None

    def for_batch_size(self, batch_size: int) -> Population[Epoch] | None:
        """Return that batch size's population; None where others have all the room."""
        if batch_size in self._by_batch_size:
            return self._by_batch_size[batch_size]
        if len(self._by_batch_size) >= self.room.n_populations:
            empty = [size for size, one in self._by_batch_size.items() if not one.trials]
            if not empty:
                return None
            self._close(empty[0])
        population = Population(trainer=self._make(batch_size, self.room))
        self._by_batch_size[batch_size] = population
        return population

    def close_and_halve(self) -> Room | None:
        """Close all populations; return the halved room for new ones, None if it can't be less."""
        for batch_size in list(self._by_batch_size):
            self._close(batch_size)
        smaller = self._halve(self.room)
        if smaller is not None:
            self.room = smaller
        return smaller

    def _close(self, batch_size: int) -> None:
        trainer = self._by_batch_size.pop(batch_size).trainer
        self._trained_before += trainer.trained_seconds
        trainer.close()
        del trainer
        self._free_memory()

    def _free_memory(self) -> None:
        gc.collect()  # a population and its captured launches hold one another
        if self._device is not None and self._device.type == "cuda":
            import torch

            torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    if "torch" not in sys.modules:  # a worker that only pretends to train
        return isinstance(error, MemoryError)
    from sweep.trainer import device_errors

    return device_errors.is_out_of_memory(error)
