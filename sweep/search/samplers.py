"""Build an Optuna sampler from a study file's ``[sampler]``.

Optuna infers what to sample from previous trials; we know it from the study file. So the first
trials need no special treatment, and a range widened on resume is searched at once (inferred spaces
keep the old range, or drop the parameter). Only ``optuna:tpe`` is Optuna's unmodified sampler, for
comparison.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.study import Study
from optuna.trial import FrozenTrial

from sweep.enums import Sampler
from sweep.search.cmaes import CmaEsSampler
from sweep.search.distributions import always_sampled, ever_sampled
from sweep.search.grid import GridSampler
from sweep.search.tpe import TPE
from sweep.studyfile import Space, StudyFile

Distributions = dict[str, BaseDistribution]

#: More would gain little: fitting is by then a small part of an ask.
_MOST_ASKS_PER_FIT = 64


def make_sampler(
    study_file: StudyFile, n_existing: int, history: Sequence[FrozenTrial] = ()
) -> BaseSampler:
    """Build the study's sampler, seeded by its seed and the number of trials that it starts from.

    So a study is reproducible, and a resumed one does not repeat the draws of its first trials.
    ``history`` are finished trials of other studies, which only ``tpe`` learns from, numbered from
    -n to -1.
    """
    entropy = [study_file.study.seed, n_existing]
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    sampler = SAMPLERS[study_file.sampler.name](study_file, seed)
    if history:
        assert isinstance(sampler, TPE)
        sampler.learn_from(history)
    return sampler


def share_fits(sampler: BaseSampler, population: int) -> None:
    """Let a sampler fit once for several trials if ``population`` of them train together.

    It shares a fit for a quarter of them: that many wait in a worker in addition to its population,
    so the sampler's information is hardly older than it would be anyway. With one trial at a time
    nothing is shared.
    """
    if isinstance(sampler, TPE):
        sampler.asks_per_fit = min(_MOST_ASKS_PER_FIT, max(1, population // 4))


def quiet_optuna() -> None:
    """Keep Optuna's own messages off the terminal; the coordinator calls this at its start."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)


class _Random(RandomSampler):
    """Optuna's random sampler, which draws common distributions in a tenth of the time."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self._dice = np.random.default_rng(seed)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        match param_distribution:
            case CategoricalDistribution(choices=choices):
                return choices[self._dice.integers(len(choices))]
            case FloatDistribution(low=low, high=high, step=None, log=log):
                return _uniform(self._dice, low, high, log)
            case IntDistribution(low=low, high=high, step=1, log=log):
                # Each integer owns the half unit on both sides, as in Optuna.
                drawn = _uniform(self._dice, low - 0.5, high + 0.5, log)
                return min(max(round(drawn), low), high)
        return super().sample_independent(study, trial, param_name, param_distribution)


def _uniform(dice: np.random.Generator, low: float, high: float, log: bool) -> float:
    if not log:
        return float(dice.uniform(low, high))
    drawn = math.exp(dice.uniform(math.log(low), math.log(high)))
    return min(max(drawn, low), high)


class _QMC(QMCSampler):
    """QMC over every parameter, including conditional ones, which some trials ignore."""

    def __init__(self, space: Space, options: Mapping[str, Any], seeds: tuple[int, int]) -> None:
        # Not the seed of this run: the sequence continues over resumes, identified by its own seed.
        super().__init__(
            scramble=True,
            seed=seeds[0],
            independent_sampler=RandomSampler(seed=seeds[1]),
            **options,
        )
        self._ever = ever_sampled(space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        return self._ever


class _GP(GPSampler):
    """Gaussian process over the parameters that every trial has; others are drawn at random."""

    def __init__(self, space: Space, options: Mapping[str, Any], seed: int) -> None:
        super().__init__(seed=seed, **options)
        self._always = always_sampled(space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        return self._always


class _NSGAII(NSGAIISampler):
    """NSGA-II over the parameters that every trial has; others are drawn at random."""

    def __init__(self, space: Space, options: Mapping[str, Any], seed: int) -> None:
        super().__init__(seed=seed, **options)
        self._always = always_sampled(space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        return self._always

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        # Optuna keeps the parents' ids, which are the database's; ours in memory differ.
        if generation == 0:
            return []
        key = f"sweep:nsga2:parents:{generation}"
        numbers = study._storage.get_study_system_attrs(study._study_id).get(key)
        if numbers is None:
            parents = self.select_parent(study, generation)
            numbers = [trial.number for trial in parents]
            study._storage.set_study_system_attr(study._study_id, key, numbers)
        chosen = set(numbers)
        return [trial for trial in study.get_trials(deepcopy=False) if trial.number in chosen]


def _tpe(study_file: StudyFile, seed: int) -> BaseSampler:
    space = study_file.space
    options: Mapping[str, Any] = study_file.sampler.options()
    always, ever = always_sampled(space), ever_sampled(space)
    conditional = {name: ever[name] for name in ever if name not in always}
    return TPE(always=always, conditional=conditional, seed=seed, **options)


def _optuna_tpe(study_file: StudyFile, seed: int) -> BaseSampler:
    options: Mapping[str, Any] = study_file.sampler.options()
    return TPESampler(seed=seed, **options)


def _random(study_file: StudyFile, seed: int) -> BaseSampler:
    return _Random(seed)


def _grid(study_file: StudyFile, seed: int) -> BaseSampler:
    return GridSampler(study_file)


def _qmc(study_file: StudyFile, seed: int) -> BaseSampler:
    seeds = (study_file.study.seed, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # users cannot act on it
        return _QMC(study_file.space, study_file.sampler.options(), seeds)


def _cmaes(study_file: StudyFile, seed: int) -> BaseSampler:
    return CmaEsSampler(study_file.space, study_file.sampler.options(), seed)


def _gp(study_file: StudyFile, seed: int) -> BaseSampler:
    return _GP(study_file.space, study_file.sampler.options(), seed)


def _nsga2(study_file: StudyFile, seed: int) -> BaseSampler:
    return _NSGAII(study_file.space, study_file.sampler.options(), seed)


SAMPLERS: Mapping[Sampler, Callable[[StudyFile, int], BaseSampler]] = {
    Sampler.TPE: _tpe,
    Sampler.OPTUNA_TPE: _optuna_tpe,
    Sampler.RANDOM: _random,
    Sampler.GRID: _grid,
    Sampler.QMC: _qmc,
    Sampler.CMAES: _cmaes,
    Sampler.GP: _gp,
    Sampler.NSGA2: _nsga2,
}
