"""Study files for tests, valid unless a test breaks them."""

import json
from collections.abc import Callable

import optuna
from optuna.trial import Trial

from sweep.config import TrialConfig
from sweep.enums import Objective
from sweep.search import enqueue_params, make_sampler, suggest_config
from sweep.store.study import NewStudy
from sweep.studyfile import StudyFile, loads

WIDTHS = "hidden_width = { low = 8, high = 1024, log = true }"

CONDITIONAL = """
hidden_width = { low = 8, high = 1024, log = true }
activation = { choices = ["relu", "tanh"] }

[space.optimizer]
choices = ["adam", "sgd"]

[space.optimizer.when.adam]
learning_rate = { low = 1e-4, high = 1e-2, log = true }
beta1 = { low = 0.8, high = 0.95 }

[space.optimizer.when.sgd]
learning_rate = { low = 0.1, high = 10.0, log = true }
momentum = 0.9
"""

#: 2 widths x (adam with 2 betas + sgd with 2 momenta, one of which has 2 ways to look ahead) = 10.
SMALL_GRID = """
hidden_width = { choices = [16, 32] }

[space.optimizer]
choices = ["adam", "sgd"]
when.adam.beta1 = { low = 0.8, high = 0.9, step = 0.1 }

[space.optimizer.when.sgd.momentum]
choices = [0.0, 0.9]
when."0.9".nesterov = { choices = [false, true] }
"""


def new_study(name: str = "x", n_objectives: int = 1) -> NewStudy:
    """What a study's rows begin with, where its file does not matter."""
    objectives = list(Objective)[:n_objectives]
    return NewStudy(
        name=name,
        study_file=f"study.objectives = {json.dumps(objectives)}",
        provenance={},
        n_trials=9,
    )


def study_text(space: str = WIDTHS, more: str = "budget.trials = 10") -> str:
    """A study file's text: more at its top, the settings of ``[space]`` at its end."""
    return f'study.name = "test"\n{more}\n[space]\n{space}\n'


def make_study_file(
    space: str = WIDTHS, *overrides: str, more: str = "budget.trials = 10"
) -> StudyFile:
    """A study file over some settings, with overrides as on the command line."""
    return loads(study_text(space, more), "test.toml", overrides)


def make_study(study_file: StudyFile, n_existing: int = 0) -> optuna.Study:
    """An empty study in memory, with the file's sampler and its configurations queued."""
    study = optuna.create_study(
        sampler=make_sampler(study_file, n_existing),
        directions=["minimize"] * len(study_file.study.objectives),
    )
    for configuration in study_file.enqueue:
        study.enqueue_trial(enqueue_params(study_file, configuration))
    return study


def some_error(config: TrialConfig) -> float:
    """A value that depends on the configuration as errors do: wider is better, to a point."""
    return 1 / config.hidden_width + abs(config.learning_rate - 1e-3)


def run_trials(
    study: optuna.Study,
    study_file: StudyFile,
    n: int,
    value: Callable[[TrialConfig], float] = some_error,
) -> list[TrialConfig]:
    """Ask for and finish trials, each objective with the same value; their configurations."""
    return [_run(study, study.ask(), study_file, value) for _ in range(n)]


def _run(
    study: optuna.Study,
    trial: Trial,
    study_file: StudyFile,
    value: Callable[[TrialConfig], float],
) -> TrialConfig:
    config, _ = suggest_config(trial, study_file)
    study.tell(trial, [value(config)] * len(study_file.study.objectives))
    return config
