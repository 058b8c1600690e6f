"""CMA-ES whose state is rebuilt from the trials, so that no pickle is written or read.

Optuna's own sampler keeps its optimizer as a pickle in the trials' attributes, where anyone who can
write to the database could put another one: reading it would run their code. But the optimizer is a
function of the results that it was told, generation by generation. So the numbers of those trials
are kept instead, and a resumed study tells their results again.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import CmaEsSampler as OptunaCmaEsSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from sweep.search.distributions import always_sampled
from sweep.studyfile import Space

if TYPE_CHECKING:
    from cmaes import CMA

_TOLD = "sweep:cmaes:told:{generation}"


class CmaEsSampler(OptunaCmaEsSampler):
    """CMA-ES over the ranges that every trial has; other parameters are drawn at random.

    Results once told are not revoked: a trial that is marked invalid later only stops counting for
    later generations.
    """

    def __init__(self, space: Space, options: Mapping[str, Any], seed: int) -> None:
        super().__init__(seed=seed, **options)
        self._always = {
            name: distribution
            for name, distribution in always_sampled(space).items()
            if not isinstance(distribution, CategoricalDistribution)
        }
        self._optimizer: CMA | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters that every trial has."""
        return self._always

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample these parameters from the optimizer's distribution."""
        complete = self._get_trials(study)
        if not search_space or len(complete) < self._n_startup_trials:
            return {}
        space = _SearchSpaceTransform(search_space, transform_step=True, transform_0_1=True)
        if self._optimizer is None:
            self._optimizer = self._init_optimizer(space, study.direction)
            self._tell_again(self._optimizer, study, space)
        optimizer = self._optimizer
        self._tell_new(optimizer, study, space, complete)
        optimizer.reseed_rng(self._cma_rng.rng.randint(1, 2**16) + trial.number)
        study._storage.set_trial_system_attr(
            trial._trial_id, self._attr_key_generation, optimizer.generation
        )
        return space.untransform(optimizer.ask())

    def _tell_again(self, optimizer: "CMA", study: Study, space: _SearchSpaceTransform) -> None:
        """Tell the optimizer the results that it was told in earlier runs of this study.

        Stop at the first generation with a trial that has no result any more, because ``sweep
        doctor --repair`` reset it: the later ones are learned again from their trials.
        """
        told = study._storage.get_study_system_attrs(study._study_id)
        trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
        while (numbers := told.get(_TOLD.format(generation=optimizer.generation))) is not None:
            generation = [trials[number] for number in numbers]
            if any(trial.values is None for trial in generation):
                return
            optimizer.tell([_solution(space, trial) for trial in generation])

    def _tell_new(
        self,
        optimizer: "CMA",
        study: Study,
        space: _SearchSpaceTransform,
        complete: list[FrozenTrial],
    ) -> None:
        # Once only, except for a study begun by Optuna's sampler, which kept no numbers.
        size = optimizer.population_size
        while len(found := self._get_solution_trials(complete, optimizer.generation)) >= size:
            key = _TOLD.format(generation=optimizer.generation)
            optimizer.tell([_solution(space, trial) for trial in found[:size]])
            numbers = [trial.number for trial in found[:size]]
            study._storage.set_study_system_attr(study._study_id, key, numbers)


def _solution(
    space: _SearchSpaceTransform, trial: FrozenTrial
) -> tuple[NDArray[np.float64], float]:
    return space.transform(trial.params), trial.values[0]
