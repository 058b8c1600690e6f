"""Manage the populations of a worker: one per batch size, and smaller ones when memory runs out.

The next epoch is launched before the last one is collected, so that the device never waits: a trial
is at most one epoch ahead of what its coordinator knows. Its slots are free once its last epoch is
launched, because the next trial follows it on the device.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from sweep.active_trial import ActiveTrial
from sweep.messages import (
    Capacity,
    EpochDone,
    TrialDiverged,
    TrialDone,
    TrialSpec,
    WorkloadEstimate,
)

if TYPE_CHECKING:  # a simulated worker does not load torch
    import torch

Epoch = TypeVar("Epoch")


class PopulationTrainer(Protocol[Epoch]):
    """Trainer of the trials of one batch size: the fused trainer, or a test double.

    It counts a trial's epochs in the ``ActiveTrial`` that ``admit`` returned: ``launched`` when it
    launches one, ``epoch`` when it collects one.
    """

    @property
    def trained_seconds(self) -> float:
        """Return for how long the device has trained."""

    @property
    def goes_on(self) -> bool:
        """Return whether a trial has epochs left to train."""

    def admit(self, spec: TrialSpec) -> ActiveTrial | None:
        """Assign slots to a trial; return None if there are too few now."""

    def stop(self, number: int) -> None:
        """Train no further epoch of a trial."""

    def release(self, number: int) -> None:
        """Free a trial's slots."""

    def launch_epoch(self) -> Epoch:
        """Launch an epoch of all trials without waiting for it."""

    def collect(self, launched: Epoch) -> list[EpochDone | TrialDiverged]:
        """Wait for a launched epoch and return what it measured."""

    def result(self, number: int, keep_below: float | None = None) -> TrialDone:
        """Measure a trial that has trained all its epochs."""

    def close(self) -> None:
        """Free the device's memory."""


@dataclass(kw_only=True)
class ActivePopulation(Generic[Epoch]):
    """The trials of one batch size, and the epoch that the device works on."""

    trainer: PopulationTrainer[Epoch]
    #: By number.
    trials: dict[int, ActiveTrial] = field(default_factory=dict)
    in_flight: Epoch | None = None

    def train_epoch(self) -> list[EpochDone | TrialDiverged]:
        """Launch the next epoch, if there is one, then collect the last one."""
        last, self.in_flight = self.in_flight, None
        if self.trainer.goes_on:
            self.in_flight = self.trainer.launch_epoch()
        outcomes = [] if last is None else self.trainer.collect(last)
        for outcome in outcomes:
            if isinstance(outcome, TrialDiverged):  # its trainer has released it
                del self.trials[outcome.number]
            else:
                self.release_if_stopped(self.trials[outcome.number])
        return outcomes

    def release_if_stopped(self, trial: ActiveTrial) -> None:
        """Release a trial that was stopped, once all of its launched epochs are collected."""
        if trial.stopped and trial.is_collected:
            self.release(trial.spec.number)

    def release(self, number: int) -> None:
        """Free a trial's slots."""
        del self.trials[number]
        self.trainer.release(number)


class Populations(Generic[Epoch]):
    """All populations of a worker, within its capacity: a session's ``SessionTrainer``."""

    def __init__(
        self,
        make: Callable[[int, Capacity], PopulationTrainer[Epoch]],  # batch size
        *,
        capacity: Capacity,
        halve: Callable[[Capacity], Capacity | None],
        expected: WorkloadEstimate,
        device: "torch.device | None" = None,  # None means the CPU
    ) -> None:
        self._make = make
        self._capacity = capacity
        self._halve = halve
        self._expected = expected
        self._device = device
        self._by_batch_size: dict[int, ActivePopulation[Epoch]] = {}
        self._trained_before = 0.0

    def capacity(self) -> Capacity:
        """Return how much can train at the same time."""
        return self._capacity

    def n_free(self) -> int:
        """Estimate how many more expected trials would fit into the populations in use.

        A trial counts until it ends, although its slots are free from the launch of its last epoch.
        """
        capacity, used = self._capacity, [one for one in self._populations if one.trials]
        specs = [trial.spec for one in used for trial in one.trials.values()]
        n, n_seeds = max(1, len(used)), self._expected.n_seeds
        slots = n * (capacity.slots or 0) - sum(len(spec.seeds) for spec in specs)
        units = n * capacity.hidden_units - sum(map(self._units, specs))
        per_trial = n_seeds * capacity.units_of(self._expected.mean_hidden_width)
        return min(slots // n_seeds, units // per_trial)

    def _units(self, spec: TrialSpec) -> int:
        return len(spec.seeds) * self._capacity.units_of(spec.config.hidden_width)

    def trained_seconds(self) -> float:
        """Sum over all populations, closed ones included."""
        return self._trained_before + sum(one.trainer.trained_seconds for one in self._populations)

    def admit(self, spec: TrialSpec) -> ActiveTrial | None:
        """Admit a trial to the population of its batch size; return None if it does not fit now."""
        population = self._for_batch_size(spec.config.batch_size)
        trial = None if population is None else population.trainer.admit(spec)
        if population is not None and trial is not None:
            population.trials[spec.number] = trial
        return trial

    def train_epoch(self) -> Sequence[EpochDone | TrialDiverged]:
        """Launch the next epoch of each population; return the outcomes of the previous one."""
        return [outcome for one in self._populations for outcome in one.train_epoch()]

    def stop(self, trial: ActiveTrial) -> None:
        """Train no further epoch of a trial."""
        population = self._of(trial.spec.number)
        population.trainer.stop(trial.spec.number)
        population.release_if_stopped(trial)

    def result(self, number: int, keep_below: float) -> TrialDone:
        """Measure a trial that has trained all its epochs, and free its slots."""
        population = self._of(number)
        done = population.trainer.result(number, keep_below)
        population.release(number)
        return done

    def halve(self) -> Capacity | None:
        """Close all populations and halve their capacity; None if they can't be smaller."""
        for batch_size in [*self._by_batch_size]:
            self._close(batch_size)
        smaller = self._halve(self._capacity)
        self._capacity = smaller or self._capacity
        return smaller

    @property
    def _populations(self) -> list[ActivePopulation[Epoch]]:
        return [*self._by_batch_size.values()]

    def _of(self, number: int) -> ActivePopulation[Epoch]:
        return next(one for one in self._populations if number in one.trials)

    def _for_batch_size(self, batch_size: int) -> ActivePopulation[Epoch] | None:
        """Return the population of a batch size; None if others have all the memory."""
        if batch_size in self._by_batch_size:
            return self._by_batch_size[batch_size]
        if len(self._by_batch_size) >= self._capacity.n_populations:
            empty = [size for size, one in self._by_batch_size.items() if not one.trials]
            if not empty:
                return None
            self._close(empty[0])
        population = ActivePopulation(trainer=self._make(batch_size, self._capacity))
        self._by_batch_size[batch_size] = population
        return population

    def _close(self, batch_size: int) -> None:
        trainer = self._by_batch_size.pop(batch_size).trainer
        self._trained_before += trainer.trained_seconds
        trainer.close()
        del trainer
        self._free_memory()

    def _free_memory(self) -> None:
        gc.collect()  # a population and its captured launches refer to each other
        if self._device is not None and self._device.type == "cuda":
            import torch

            torch.cuda.empty_cache()
