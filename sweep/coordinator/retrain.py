"""Retrain a study's best configurations over new seeds, in a separate study.

It has the space of the study that found them, and enqueues them all; the sampler is never asked.
The seeds are new because the search selected each configuration for its result with the old ones
(selection bias).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any

import tomlkit

from sweep.analysis.study_explanation import seeds_of
from sweep.analysis.study_ties import best_numbers, is_whole
from sweep.catalogue.settings import LARGEST_SEED, Value
from sweep.config import TrialConfig, typed_config
from sweep.coordinator.derived_studies import (
    explicit_settings,
    find_free_name,
    load_file_for_retry,
    load_stored_file,
    to_toml_value,
)
from sweep.coordinator.progress import Observer
from sweep.coordinator.run import Say, refuse_if_running, resume, start
from sweep.enums import Sampler, StudyPhase
from sweep.errors import UsageError
from sweep.launch.resources import RunOptions
from sweep.store.derived_studies import Retrained
from sweep.store.engine import Engine
from sweep.store.handle import StudyHandle, open_study, open_study_or_none
from sweep.studyfile import Domain, Space, StudyFile, loads, to_toml

DEFAULT_TOP = 8
DEFAULT_SEEDS = 5


@dataclass(frozen=True, kw_only=True)
class RetrainingJob:
    """The best trials of a study, and the study that retrains them."""

    trials: Retrained
    #: Name of the study that trains them; it may not exist yet.
    child: str
    n_seeds: int


def choose_retraining(
    study: StudyHandle, n_top: int | None = None, n_seeds: int | None = None
) -> RetrainingJob:
    """Choose the ``n_top`` best distinct configurations; without numbers the latest unfinished job.

    Raises UsageError with fewer than two, and for a study that is itself derived.
    """
    _refuse_child(study)
    unfinished = _find_unfinished(study, n_top, n_seeds)
    if unfinished is not None:
        return unfinished
    trials = _choose(study, n_top or DEFAULT_TOP)
    same = [
        job for job in _list_jobs(study) if job.trials == trials and n_seeds in (None, job.n_seeds)
    ]
    if same:
        return same[-1]
    child = find_free_name(study.engine, study.name, "ties")
    return RetrainingJob(trials=trials, child=child, n_seeds=n_seeds or DEFAULT_SEEDS)


def find_parent(study: StudyHandle) -> str | None:
    """Find the study that this one was derived from, by `sweep explain` or `sweep ties`."""
    own = study.retrains() or study.explains()
    return None if own is None else own.study


def _refuse_child(study: StudyHandle) -> None:
    if (parent := find_parent(study)) is not None:
        raise UsageError(
            f"study '{study.name}' was itself trained for '{parent}', so its best are not trained "
            f"again. `sweep ties {quote(parent)} --run` does that with the best of '{parent}'."
        )


def _list_jobs(study: StudyHandle) -> list[RetrainingJob]:
    return [
        RetrainingJob(trials=trials, child=child, n_seeds=seeds_of(open_study(study.engine, child)))
        for child, trials in study.retrainings().items()
    ]


def _find_unfinished(
    study: StudyHandle, n_top: int | None, n_seeds: int | None
) -> RetrainingJob | None:
    """Find the latest job if it is incomplete and has these numbers of trials and seeds."""
    jobs = _list_jobs(study)
    if not jobs or is_whole(open_study(study.engine, jobs[-1].child), jobs[-1].trials):
        return None
    last = jobs[-1]
    is_meant = n_top in (None, len(last.trials.numbers)) and n_seeds in (None, last.n_seeds)
    return last if is_meant else None


def _choose(study: StudyHandle, n_top: int) -> Retrained:
    numbers = best_numbers(study, n_top)
    if len(numbers) < 2:
        has = "one configuration" if numbers else "no configuration"
        raise UsageError(
            f"study '{study.name}' has {has} that was trained to its end; a comparison "
            f"needs two. `sweep resume {quote(study.name)} --trials N` trains more."
        )
    created_at = study.key.created_at
    return Retrained(study=study.name, study_created_at=created_at, numbers=numbers)


def run_retraining(
    engine: Engine, job: RetrainingJob, options: RunOptions, observer: Observer, *, say: Say
) -> StudyPhase:
    """Train what is missing; return the last phase of the study that trains.

    Raises as ``start`` and ``resume`` do, StudyHeldError while another process runs that study.
    """
    child = open_study_or_none(engine, job.child)
    if child is None:
        file = child_file(open_study(engine, job.trials.study), job)
        say(f"{len(file.enqueue)} configurations to train, {job.n_seeds} seeds each")
        return start(
            *(engine, file, options, observer),
            say=say,
            attributes=job.trials.attributes,
        )
    refuse_if_running(child.summary())
    if is_whole(child, job.trials):
        return StudyPhase.FINISHED
    file = load_file_for_retry(child)
    return resume(engine, job.child, options, observer, say=say, study_file=file)


# --- the study's file ---------------------------------------------------------------------------


def child_file(study: StudyHandle, job: RetrainingJob) -> StudyFile:
    """Build the file of the study that trains them, with data and space of their own study."""
    numbers = job.trials.numbers
    parent = load_stored_file(study)
    configs = {row.number: row.config for row in study.trials(numbers=numbers)}
    raw = {
        "study": {
            "name": job.child,
            "description": f"Which of the best configurations of {study.name} tie.",
            "seed": (parent.study.seed + 1) % (LARGEST_SEED + 1),
            "repeat": job.n_seeds,
            **_baseline(parent),
        },
        "data": explicit_settings(parent.data),
        "space": _without_seed(tomlkit.parse(to_toml(parent)).unwrap()["space"]),
        "sampler": {"name": Sampler.RANDOM.value},
        "budget": {"trials": len(numbers)},
        "workers": explicit_settings(parent.workers),
    }
    where = f"study '{job.child}'"
    space = loads(tomlkit.dumps(raw), where).space
    enqueue = [_enqueue_entry(space, typed_config(configs[number])) for number in numbers]
    return loads(tomlkit.dumps({**raw, "enqueue": enqueue}), where)


def _baseline(parent: StudyFile) -> dict[str, Any]:
    """Return the baseline's settings if the study gives them; trial numbers differ here."""
    named = parent.study.baseline
    return {"baseline": named} if isinstance(named, dict) else {}


def _without_seed(space: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the seed, so that each trial has its own seeds: independent samples for a test."""
    return {name: _node_without_seed(node) for name, node in space.items() if name != "seed"}


def _node_without_seed(node: Any) -> Any:
    if not isinstance(node, Mapping) or "when" not in node:
        return node
    branches = {choice: _without_seed(inner) for choice, inner in node["when"].items()}
    return {**node, "when": {choice: inner for choice, inner in branches.items() if inner}}


def _enqueue_entry(space: Space, config: TrialConfig) -> dict[str, Value]:
    """Return the configuration's searched settings."""
    settings = {node.name: node.setting for node in space.search_space()}
    found: dict[str, Value] = {}

    def look_up(name: str, _: Domain) -> Value:
        setting = settings[name]
        found[setting] = to_toml_value(getattr(config, setting))
        return found[setting]

    space.resolve(look_up)
    return found
