"""Check rules between the sections of a study file."""

import importlib.util
from collections.abc import Mapping
from typing import Any, NamedTuple

from sweep.enums import Sampler
from sweep.studyfile.domains import Categorical, Domain, Float, Int
from sweep.studyfile.space import Space
from sweep.studyfile.words import show

#: A grid is visited point by point.
_LARGEST_GRID = 1_000_000


class _Needs(NamedTuple):
    package: str
    extra: str


_PACKAGES: Mapping[Sampler, _Needs] = {
    Sampler.CMAES: _Needs("cmaes", "samplers"),
    Sampler.GP: _Needs("torch", "train"),
}


def rules_between(parts: Mapping[str, Any]) -> list[str]:
    """Check the rules between valid sections; list the problems."""
    problems = []
    sampler = parts["sampler"].name if "sampler" in parts else None
    if "budget" in parts and parts["budget"].trials is None and sampler not in (None, Sampler.GRID):
        problems.append(
            "budget.trials: missing; give the number of trials, such as trials = 100. "
            "Only a grid may omit it."
        )
    if sampler is Sampler.GRID and "space" in parts:
        problems += _grid_problems(parts["space"])
    if sampler is Sampler.CMAES and "space" in parts:
        problems += _cmaes_space_problems(parts["space"])
    if sampler is Sampler.CMAES and "study" in parts and len(parts["study"].objectives) > 1:
        problems.append(
            "sampler.name: cmaes minimises one objective. Use tpe, gp or nsga2 for several."
        )
    if "warm_start" in parts and sampler is not None:
        problems += _warm_start_problems(parts, sampler)
    return problems


def _warm_start_problems(parts: Mapping[str, Any], sampler: Sampler) -> list[str]:
    given = parts["warm_start"]
    if "study" in parts and (name := parts["study"].name) in given.studies:
        return [f"warm_start.studies: {show(name)} is the study itself. Name other studies."]
    space = parts.get("space")
    searched = {node.setting: node.path for node in space.search_space()} if space else {}
    for name in given.ignore:
        if name in searched:
            return [
                f"warm_start.ignore: {name} is searched here ({searched[name]}), so its values in "
                f"other studies matter. Fix it in [space], or remove it from ignore."
            ]
    if given.studies and not given.best and sampler is not Sampler.TPE:
        return [
            f"warm_start.best: 0 leaves nothing to take, for {sampler} does not learn from other "
            "studies. Let some of their best run first, or use tpe."
        ]
    return []


def _grid_problems(space: Space) -> list[str]:
    problems = []
    for node in space.search_space():
        if not _has_steps(node.domain):
            problems.append(
                f"{node.path}: a grid needs steps for this range. "
                + (
                    "Give it a step, or list the values: choices = [...]."
                    if isinstance(node.domain, Float) and not node.domain.log
                    else "List the values: choices = [...]."
                )
            )
    if not problems and space.grid_size() > _LARGEST_GRID:
        size = show(space.grid_size())
        problems.append(
            f"space: the grid has {size} points; the limit is {_LARGEST_GRID:,}. "
            "List fewer values, or use another sampler."
        )
    return problems


def _has_steps(domain: Domain) -> bool:
    # Integers of a logarithmic range, listed one by one, would not be spread logarithmically.
    return domain.count() is not None and not (isinstance(domain, Int) and domain.log)


def _cmaes_space_problems(space: Space) -> list[str]:
    if all(isinstance(node.domain, Categorical) for node in space.always_searched()):
        return [
            "sampler.name: cmaes searches ranges of numbers outside when, and the space has none. "
            "Use tpe or random, or give a setting low and high."
        ]
    return []


def missing_packages(sampler: Sampler) -> list[str]:
    """List packages that a sampler needs and this machine lacks, before the first trial fails."""
    needs = _PACKAGES.get(sampler)
    if needs is None or importlib.util.find_spec(needs.package) is not None:
        return []
    return [
        f"sampler.name: {sampler} needs {needs.package}, not installed here. Install the extra "
        f"'{needs.extra}' (pip install 'sweep-autoencoder[{needs.extra}]'), or use tpe."
    ]
