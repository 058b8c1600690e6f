"""Convert Optuna's trials to the configurations and seeds that workers train, and back."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna

from sweep.catalogue.settings import LARGEST_SEED, Value
from sweep.config import TrialConfig
from sweep.errors import StudyFileError
from sweep.search.distributions import suggest
from sweep.studyfile import Domain, StudyFile
from sweep.studyfile.enqueue import read_configuration
from sweep.studyfile.space import Fixed, Searched


def suggest_config(
    trial: optuna.trial.BaseTrial, study_file: StudyFile
) -> tuple[TrialConfig, int | None]:
    """Sample the trial's configuration, and its seed if the seed is searched."""
    return study_file.space.resolve(functools.partial(suggest, trial))


def config_from_params(
    study_file: StudyFile, params: Mapping[str, Any]
) -> tuple[TrialConfig, int | None]:
    """Return what ``suggest_config`` does, for a trial whose parameters are known."""

    def value_of(name: str, domain: Domain) -> Value:
        if name not in params:
            raise StudyFileError(
                study_file.study.name, [f"{name}: not among the trial's parameters."]
            )
        value: Value = params[name]
        return value

    return study_file.space.resolve(value_of)


def width_reader(study_file: StudyFile) -> Callable[[Mapping[str, Any]], int]:
    """Return a fast function from a trial's parameters to its hidden width, for many trials."""
    widths = [node for node in study_file.space.nodes if node.setting == "hidden_width"]
    match widths:
        case [Searched(name=name)]:
            return lambda params: int(params[name])
        case [Fixed(value=value)]:
            return lambda params: int(value)
        case _:  # it depends on a choice, or is not in the space
            return lambda params: config_from_params(study_file, params)[0].hidden_width


def trial_seeds(study_file: StudyFile, number: int, seed: int | None) -> tuple[int, ...]:
    """Return one seed for each of the trial's ``repeat`` runs, the same whenever it is trained.

    ``seed`` comes first if the space has one; the others derive from it.
    """
    repeat = study_file.study.repeat
    if seed is None:
        return _derive_seeds([study_file.study.seed, number], repeat)
    return (seed, *_derive_seeds([seed], repeat - 1))


def _derive_seeds(entropy: list[int], n: int) -> tuple[int, ...]:
    words = np.random.SeedSequence(entropy).generate_state(n)
    return tuple(int(word) % (LARGEST_SEED + 1) for word in words)


def enqueue_params(study_file: StudyFile, configuration: Mapping[str, Any]) -> dict[str, Value]:
    """Return the parameters that a configuration fixes, for ``study.enqueue_trial``.

    A setting under a choice that the configuration leaves open is fixed for every choice.
    """
    params, problems = read_configuration(study_file.space, configuration, "enqueue")
    if problems:
        raise StudyFileError(study_file.study.name, problems)
    return params
