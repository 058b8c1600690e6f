"""Estimate how long a study takes: train the first epoch of a few of its configurations.

The workers that `sweep start` would use train them, in a study that exists only in memory. The time
of all other configurations is derived from theirs: see analysis.training_time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import optuna

from sweep.analysis.training_time import count_weights, fit_epoch_seconds
from sweep.config import TrialConfig, typed_config
from sweep.coordinator.run import ScratchStudy, run_scratch
from sweep.enums import Duplicates, Pruner, Sampler, Trainer
from sweep.launch.resources import RunResources
from sweep.search.configurations import enqueue_params, suggest_config
from sweep.search.grid import countable_size
from sweep.search.samplers import make_sampler, quiet_optuna
from sweep.store.handle import StudyHandle, open_study
from sweep.store.memory import memory_store
from sweep.studyfile import Categorical, Space, StudyFile
from sweep.studyfile.sections import (
    BudgetSection,
    PrunerSection,
    SamplerSection,
    StudySection,
    WarmStartSection,
)
from sweep.studyfile.space import Fixed, Searched

#: Size of the sample of configurations that represents the study.
_N_SAMPLED = 500
#: Settings by which configurations differ most in time; the first that is searched is used.
_SIZES = ("hidden_width", "batch_size")
#: Limit on an epoch of the largest configuration; beyond it, part of the images is timed. A CPU
#: core does 50 to 100 GFLOP a second.
_MOST_FLOP = 1e12
#: A product and a sum for each weight, once forward and twice backward.
_FLOP_A_WEIGHT = 6


class FirstEpoch(NamedTuple):
    """How long one configuration's first epoch took, on all images that a trial trains on."""

    config: TrialConfig
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TimeEstimate:
    """How long a study is expected to take."""

    #: For all its trials, from the start of the command.
    seconds: float
    #: The smallest, the median and the largest configuration; fewer if they are equal.
    first_epochs: tuple[FirstEpoch, ...]
    #: The setting by which these are the smallest and the largest.
    size: str
    #: The trainer that trained them.
    trainer: Trainer
    #: Number of training images that an epoch was timed on, out of those that a trial trains on.
    n_timed: int
    n_images: int

    @property
    def is_upper_limit(self) -> bool:
        """Whether trials train side by side, in less time than one after another."""
        return self.trainer is Trainer.FUSED


class _Pilot(NamedTuple):
    """What the study in memory measured."""

    first_epochs: tuple[FirstEpoch, ...]
    trainer: Trainer
    #: Until the first trial began.
    startup_seconds: float
    #: Time of a trial outside of its epochs: initial weights, test images, pictures.
    seconds_beside: float


def estimate_time(
    study_file: StudyFile,
    resources: RunResources,
    *,
    dataset: str,
    n_images: int,
    n_inputs: int,
    n_trials: int,
) -> TimeEstimate | None:
    """Train first epochs and estimate the time of ``n_trials`` trials; None if all diverge.

    ``dataset`` is what workers load, ``n_images`` what a trial trains on. Raises as ``start`` does.
    """
    sampled = _sample(study_file, n_trials)
    size, chosen = _choose(sampled)
    flop_an_image = _FLOP_A_WEIGHT * max(count_weights(config, n_inputs) for config in chosen)
    least = 2 * max(config.batch_size for config in chosen)
    n_timed = min(n_images, max(least, int(_MOST_FLOP / flop_an_image)))
    pilot = _run(_pilot_file(study_file, size, chosen, resources, n_timed), resources, dataset)
    if not pilot.first_epochs:
        return None
    scale = n_images / n_timed
    timed = tuple(FirstEpoch(config, seconds * scale) for config, seconds in pilot.first_epochs)
    repeat = study_file.study.repeat
    epoch_seconds = fit_epoch_seconds(
        [of.config for of in timed], [of.seconds for of in timed], n_inputs
    )
    epochs = repeat * sum(config.epochs * epoch_seconds(config) for config in sampled)
    beside = len(sampled) * repeat * pilot.seconds_beside
    n_trained = _n_trained(study_file, n_trials)
    rounds = n_trained / len(sampled) / min(len(resources.devices), n_trained)
    return TimeEstimate(
        seconds=pilot.startup_seconds + (epochs + beside) * rounds,
        first_epochs=timed,
        size=size,
        trainer=pilot.trainer,
        n_timed=n_timed,
        n_images=n_images,
    )


def _n_trained(study_file: StudyFile, n_trials: int) -> int:
    """Count the trials that are trained: a repeated configuration reuses its value."""
    n_points = countable_size(study_file.space)
    if n_points is None or study_file.study.duplicates is Duplicates.TRAIN:
        return n_trials
    return min(n_trials, n_points)


def _sample(study_file: StudyFile, n_trials: int) -> list[TrialConfig]:
    """Draw configurations of the study's space: its grid, or random ones."""
    quiet_optuna()
    file = study_file
    if file.sampler.name is not Sampler.GRID:
        file = file.model_copy(update={"sampler": SamplerSection(name=Sampler.RANDOM)})
    study = optuna.create_study(sampler=make_sampler(file, 0))
    for configuration in file.enqueue:
        study.enqueue_trial(enqueue_params(file, configuration))
    n = min(n_trials, _N_SAMPLED)
    return [suggest_config(study.ask(), file)[0] for _ in range(n)]


def _choose(sampled: Sequence[TrialConfig]) -> tuple[str, list[TrialConfig]]:
    """Choose the smallest, median and largest configuration, and the setting that ranks them."""

    def distinct(setting: str) -> dict[int, TrialConfig]:
        ordered = sorted(sampled, key=lambda config: int(getattr(config, setting)))
        ends = (ordered[0], ordered[len(ordered) // 2], ordered[-1])
        return {getattr(config, setting): config for config in ends}

    size = max(_SIZES, key=lambda setting: len(distinct(setting)))  # the first of equals
    return size, list(distinct(size).values())


def _pilot_file(
    study_file: StudyFile,
    size: str,
    configs: Sequence[TrialConfig],
    resources: RunResources,
    n_timed: int,
) -> StudyFile:
    """Make a study that trains each configuration for an epoch, in every worker."""
    # The largest first: a worker's first epoch includes PyTorch's one-time initialisation.
    by_size = {getattr(config, size): config for config in reversed(configs)}
    others = {
        value: tuple(
            Fixed(setting=name, path=f"space.{name}", value=1 if name == "epochs" else of)
            for name, of in vars(config).items()
            if name != size
        )
        for value, config in by_size.items()
    }
    sizes = Searched(
        setting=size,
        path=f"space.{size}",
        name=size,
        domain=Categorical(choices=tuple(by_size)),
        when=others,
    )
    seeds = Searched(
        setting="seed",
        path="space.seed",
        name="seed",
        domain=Categorical(choices=tuple(range(len(resources.devices)))),
        when={},
    )
    return study_file.model_copy(
        update={
            "study": StudySection(name=study_file.study.name),
            "data": study_file.data.model_copy(update={"train_limit": n_timed}),
            "space": Space(nodes=(sizes, seeds)),
            "enqueue": (),
            "sampler": SamplerSection(name=Sampler.GRID),
            "warm_start": WarmStartSection(),
            "pruner": PrunerSection(name=Pruner.NONE),
            "budget": BudgetSection(),
        }
    )


def _run(file: StudyFile, resources: RunResources, dataset: str) -> _Pilot:
    began = datetime.now(UTC)
    with memory_store() as engine, TemporaryDirectory() as folder:
        scratch = ScratchStudy(dataset=dataset, artifacts=Path(folder))
        run_scratch(engine, file, scratch, resources, lambda _: None, say=lambda _: None)
        return _measure(open_study(engine, file.study.name), began, len(resources.devices))


def _measure(study: StudyHandle, began: datetime, n_workers: int) -> _Pilot:
    rows = [row for row in study.trials(states=["COMPLETE"]) if row.train_seconds]
    if not rows:  # all of them diverged
        return _Pilot((), Trainer.AUTO, 0.0, 0.0)
    seconds: dict[TrialConfig, float] = {}
    for row in reversed(rows):  # the smallest first
        config, took = typed_config(row.config), row.train_seconds or 0.0
        seconds[config] = min(took, seconds.get(config, took))
    started = min(row.datetime_start for row in rows if row.datetime_start is not None)
    ended = max(row.datetime_complete for row in rows if row.datetime_complete is not None)
    worked = (ended - started).total_seconds() * n_workers
    beside = worked - sum(row.train_seconds or 0.0 for row in rows)
    return _Pilot(
        first_epochs=tuple(FirstEpoch(config, took) for config, took in seconds.items()),
        trainer=study.training_record(rows[0].number).trainer or Trainer.AUTO,
        startup_seconds=(started - began).total_seconds(),
        seconds_beside=max(beside, 0.0) / len(rows),
    )
