"""Take the training steps of a population, as CUDA graphs if there is a GPU."""

from functools import partial

import torch

from sweep.trainer.fused.device_time import DeviceTimer
from sweep.trainer.fused.graphs import repeat, side_by_side
from sweep.trainer.fused.population import Population
from sweep.trainer.fused.schedule import SlotKinds


class TrainingSteps:
    """Training steps of a population, captured once, before its first slot is used."""

    def __init__(self, population: Population, device: torch.device, timer: DeviceTimer) -> None:
        self._population, self._device, self._timer = population, device, timer
        variants = population.shape.config.step_variants and population.shape.single_tile
        self._repeat = {
            kinds: repeat(
                [partial(population.train_branch, branch, kinds) for branch in population.branches],
                device,
                None if population.chained else timer,
            )
            for kinds in (SlotKinds if variants else [SlotKinds.BOTH])
        }
        if population.chained:
            population.train_chain(1)  # compiled now, not in the first epoch

    def __call__(self, n: int) -> None:
        """Take n steps."""
        population = self._population
        repeat = self._repeat.get(population.kinds or SlotKinds.BOTH)
        repeat = repeat or self._repeat[SlotKinds.BOTH]
        if population.chained is None:
            repeat(n)
            return
        work = [partial(population.train_chain, n)]
        if population.kinds is not None:
            work.append(partial(repeat, n))
        self._timer.run(partial(side_by_side, work, self._device))
