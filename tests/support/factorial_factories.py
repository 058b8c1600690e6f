"""Factorial analyses of planted effects, made without a database."""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from sweep.analysis.factorial import Factorial, factorial
from sweep.analysis.study_factorial import StudyFactorial
from sweep.catalogue.settings import Cause
from sweep.config import TrialConfig
from sweep.enums import AblationMethod, Activation, Loss, Output, Schedule
from sweep.store.derived_studies import Explained

BASELINE = TrialConfig()
TARGET = TrialConfig(
    epochs=15,
    batch_size=64,
    output_activation=Output.LINEAR,
    loss=Loss.MSE,
    activation=Activation.LINEAR,
    lr_schedule=Schedule.COSINE,
)
#: By what each cause divides the error.
PLANTED = {
    Cause.UPDATES: 3.0,
    Cause.OUTPUT: 0.8,
    Cause.ACTIVATION: 1.5,
    Cause.LEARNING_RATE: 1.1,
}
OUTPUT, SCHEDULE = Cause.OUTPUT, Cause.LEARNING_RATE

#: Natural logarithm of a cell's error, given the causes that are as in the target.
LogError = Callable[[frozenset[str]], float]


def product(causes: frozenset[str]) -> float:
    return -sum(math.log(factor) for cause, factor in PLANTED.items() if cause in causes)


def counteract(causes: frozenset[str]) -> float:
    """Two causes divide the error by 3 each, a third doubles it."""
    lowers = len({Cause.UPDATES, Cause.OUTPUT} & causes)
    return math.log(2.0) * (Cause.ACTIVATION in causes) - math.log(3.0) * lowers


def with_interaction(causes: frozenset[str]) -> float:
    """The schedule divides the error by 5 more where output and loss are the target's."""
    return product(causes) - (math.log(5.0) if {OUTPUT, SCHEDULE} <= causes else 0.0)


def plant_factorial(of: LogError, n_seeds: int = 3, noise: float = 0.0, seed: int = 0) -> Factorial:
    rng = np.random.default_rng(seed)
    errors = {
        cell.config: tuple(
            math.exp(of(frozenset(cell.causes)) + 0.5 * number + rng.normal(0.0, noise))
            for number in range(n_seeds)
        )
        for cell in factorial(BASELINE, TARGET, {}).cells
    }
    return factorial(BASELINE, TARGET, errors)


def study_analysis(found: Factorial, **columns: Any) -> StudyFactorial:
    """The analysis of study 'x' from its trial 0 to its trial 15, with three seeds."""
    ends = Explained(
        study="x",
        study_created_at=0.0,
        from_number=0,
        from_baseline=True,
        to_number=15,
        baseline=asdict(found.baseline),
        target=asdict(found.target),
        method=AblationMethod.FACTORIAL,
    )
    return StudyFactorial(**{"child": None, "ends": ends, "n_seeds": 3, "found": found, **columns})
