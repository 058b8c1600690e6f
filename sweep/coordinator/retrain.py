"""Training a study's best configurations again, over seeds: a study of its own.

It has the space of the study that found them, and enqueues them all; the sampler is never asked.
The seeds are fresh: a configuration was found to be best with its seeds, which flatter it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any

import tomlkit

from sweep.analysis.study_explanation import seeds_of
from sweep.analysis.study_ties import best_numbers, is_whole
from sweep.config import TrialConfig
from sweep.coordinator.derived_studies import (
    file_to_try_again,
    given,
    new_name,
    plain,
)
from sweep.coordinator.progress import Observer
from sweep.coordinator.run import Say, refuse_if_running, resume, start
from sweep.enums import Sampler, StudyPhase
from sweep.errors import UsageError
from sweep.launch.resources import RunOptions
from sweep.store import read
from sweep.store.engine import Engine
from sweep.store.explaining import explained_by
from sweep.store.retraining import Retrained, retrained_by, retraining
from sweep.store.study import study_exists
from sweep.studyfile import Domain, Space, StudyFile, Value, loads, to_toml, typed_config

DEFAULT_TOP = 8
DEFAULT_SEEDS = 5
_SEEDS_BELOW = 2**31


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """The best of a study that are to be trained again, or were."""

    of: Retrained
    #: The study that trains them, whether it is there yet or not.
    child: str
    n_seeds: int


def choose_retraining(
    engine: Engine, name: str, n_top: int | None = None, n_seeds: int | None = None
) -> Retraining:
    """The ``n_top`` best distinct configurations; unless told otherwise what was begun last.

    Raises UsageError with fewer than two, and for a study that was itself trained for another.
    """
    _refuse_child(engine, name)
    begun = _begun(engine, name, n_top, n_seeds)
    if begun is not None:
        return begun
    of = _choose(engine, name, n_top or DEFAULT_TOP)
    same = [
        known
        for known in _known(engine, name)
        if known.of == of and n_seeds in (None, known.n_seeds)
    ]
    if same:
        return same[-1]
    child = new_name(engine, name, "ties")
    return Retraining(of=of, child=child, n_seeds=n_seeds or DEFAULT_SEEDS)


def trained_for(engine: Engine, name: str) -> str | None:
    """The study that this one was itself trained for, to explain it or to find its ties."""
    own = retrained_by(engine, name) or explained_by(engine, name)
    return None if own is None else own.study


def _refuse_child(engine: Engine, name: str) -> None:
    if (study := trained_for(engine, name)) is not None:
        raise UsageError(
            f"study '{name}' was itself trained for '{study}', so its best are not trained again. "
            f"`sweep ties {quote(study)} --run` does that with the best of '{study}'."
        )


def _known(engine: Engine, name: str) -> list[Retraining]:
    return [
        Retraining(of=of, child=child, n_seeds=seeds_of(engine, child))
        for child, of in retraining(engine, name).items()
    ]


def _begun(engine: Engine, name: str, n_top: int | None, n_seeds: int | None) -> Retraining | None:
    """The last one, where it is not whole and was asked for with so many."""
    known = _known(engine, name)
    if not known or is_whole(engine, known[-1].child, known[-1].of):
        return None
    last = known[-1]
    is_meant = n_top in (None, len(last.of.numbers)) and n_seeds in (None, last.n_seeds)
    return last if is_meant else None


def _choose(engine: Engine, name: str, n_top: int) -> Retrained:
    numbers = best_numbers(engine, name, n_top)
    if len(numbers) < 2:
        has = "one configuration" if numbers else "no configuration"
        raise UsageError(
            f"study '{name}' has {has} that was trained to its end, and it takes two to compare. "
            f"`sweep resume {quote(name)} --trials N` trains more."
        )
    return Retrained(study=name, study_created_at=read.made(engine, name)[1], numbers=numbers)


def run_retraining(
    engine: Engine, of: Retraining, options: RunOptions, observer: Observer, *, say: Say
) -> StudyPhase:
    """Train what is missing; returns the last phase of the study that trains.

    Raises as ``start`` and ``resume`` do, StudyHeldError while another process runs that study.
    """
    if not study_exists(engine, of.child):
        file = child_file(engine, of)
        say(f"{len(file.enqueue)} configurations to train, {of.n_seeds} seeds each")
        return start(engine, file, options, observer, say=say, attributes=of.of.attributes)
    refuse_if_running(read.study(engine, of.child))
    if is_whole(engine, of.child, of.of):
        return StudyPhase.FINISHED
    file = file_to_try_again(engine, of.child)
    return resume(engine, of.child, options, observer, say=say, study_file=file)


# --- the study's file ---------------------------------------------------------------------------


def child_file(engine: Engine, of: Retraining) -> StudyFile:
    """The study that trains them, with the data of the one that found them."""
    name, numbers = of.of.study, of.of.numbers
    text = read.study_file_text(engine, name)
    parent = loads(text, f"study '{name}'", check_packages=False)
    configs = {row.number: row.config for row in read.trials(engine, name, numbers=numbers)}
    raw = {
        "study": {
            "name": of.child,
            "description": f"Which of the best configurations of {name} tie.",
            "seed": (parent.study.seed + 1) % _SEEDS_BELOW,
            "repeat": of.n_seeds,
        },
        "data": given(parent.data),
        "space": _without_seed(tomlkit.parse(to_toml(parent)).unwrap()["space"]),
        "sampler": {"name": Sampler.RANDOM.value},
        "budget": {"trials": len(numbers)},
        "workers": given(parent.workers),
    }
    where = f"study '{of.child}'"
    space = loads(tomlkit.dumps(raw), where).space
    enqueue = [_enqueued(space, typed_config(configs[number])) for number in numbers]
    return loads(tomlkit.dumps({**raw, "enqueue": enqueue}), where)


def _without_seed(space: Mapping[str, Any]) -> dict[str, Any]:
    """Each trial has seeds of its own then, as a test of independent samples takes them."""
    return {name: _node_without_seed(node) for name, node in space.items() if name != "seed"}


def _node_without_seed(node: Any) -> Any:
    if not isinstance(node, Mapping) or "when" not in node:
        return node
    branches = {choice: _without_seed(inner) for choice, inner in node["when"].items()}
    return {**node, "when": {choice: inner for choice, inner in branches.items() if inner}}


def _enqueued(space: Space, config: TrialConfig) -> dict[str, Value]:
    """What the space searches of it."""
    settings = {node.name: node.setting for node in space.search_space()}
    found: dict[str, Value] = {}

    def known(name: str, _: Domain) -> Value:
        setting = settings[name]
        found[setting] = plain(getattr(config, setting))
        return found[setting]

    space.resolve(known)
    return found
