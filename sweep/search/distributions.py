"""Convert a study file's domains to Optuna's distributions."""

import optuna
from optuna.distributions import BaseDistribution

from sweep.catalogue.settings import Value
from sweep.store.optuna_rows import to_distribution
from sweep.studyfile import Categorical, Domain, Float, Int, Searched, Space


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return every parameter that a trial can have, including conditional ones."""
    return {name: to_distribution(domain) for name, domain in space.domains().items()}


def always_sampled(space: Space) -> dict[str, BaseDistribution]:
    """Return the parameters that every trial has and that leave something to sample, by name."""
    return _open(space.always_searched())


def ever_sampled(space: Space) -> dict[str, BaseDistribution]:
    """Return what ``always_sampled`` does, and the conditional parameters."""
    return _open(space.search_space())


def _open(nodes: list[Searched]) -> dict[str, BaseDistribution]:
    found = {node.name: to_distribution(node.domain) for node in nodes}
    # Optuna's samplers accept no distribution of a single value; a trial fills it in itself.
    return {name: found[name] for name in sorted(found) if not found[name].single()}


def suggest(trial: optuna.trial.BaseTrial, name: str, domain: Domain) -> Value:
    """Ask a trial for one parameter."""
    value: Value
    match domain:
        case Float(low=low, high=high, log=log, step=step):
            value = trial.suggest_float(name, low, high, log=log, step=step)
        case Int(low=low, high=high, log=log, step=step):
            value = trial.suggest_int(name, low, high, log=log, step=step)
        case Categorical(choices=choices):
            chosen = trial.suggest_categorical(name, choices)
            assert chosen is not None
            value = chosen
    return value
