"""Read ``[[enqueue]]``: configurations that run first, as parameters of the space."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweep.catalogue.settings import SETTINGS, Value
from sweep.studyfile.domains import Categorical, Domain, Int
from sweep.studyfile.settings import read_value
from sweep.studyfile.space import Fixed, Node, Searched, Space
from sweep.studyfile.words import hint, show, show_path


def read_configuration(
    space: Space, raw: Mapping[str, Any], path: str
) -> tuple[dict[str, Value], list[str]]:
    """Return Optuna's parameters for a configuration that names some settings, and problems."""
    problems: list[str] = []
    given = read_values(raw, path, problems)
    params: dict[str, Value] = {}
    unused = set(given)
    _enter(space.nodes, given, params, unused, path, problems)
    for name in sorted(unused):
        problems += _not_in_the_space(space, name, given, path)
    return params, problems


def read_values(raw: Mapping[str, Any], path: str, problems: list[str]) -> dict[str, Value]:
    """Read the valid values, whatever the space; add errors to ``problems``."""
    given = {}
    for name, value in raw.items():
        if name not in SETTINGS:
            problems.append(f"{path}.{show_path([name])}: unknown setting. {hint(name, SETTINGS)}")
            continue
        try:
            given[name] = read_value(SETTINGS[name], value)
        except ValueError as error:
            problems.append(f"{path}.{name}: {error}")
    return given


def _enter(
    nodes: Sequence[Node],
    given: Mapping[str, Value],
    params: dict[str, Value],
    unused: set[str],
    path: str,
    problems: list[str],
) -> None:
    for node in nodes:
        name = node.setting
        unused.discard(name)
        if isinstance(node, Fixed):
            if given.get(name, node.value) != node.value:
                problems.append(
                    f"{path}.{name}: {show(given[name])} is not {show(node.value)}, "
                    f"to which {node.path} fixes it. Search it there to allow other values."
                )
            continue
        if name in given and not node.domain.contains(given[name]):
            problems.append(
                f"{path}.{name}: {show(given[name])} is not in {node.path}, "
                f"which has {describe(node.domain)}."
            )
        elif name in given:
            params[node.name] = given[name]
        _enter(_open_branches(node, given), given, params, unused, path, problems)


def _open_branches(node: Searched, given: Mapping[str, Value]) -> list[Node]:
    """Return the settings under the given choice; with none given, those under any choice."""
    if node.setting in given:
        return list(node.when.get(given[node.setting], ()))
    return [inner for branch in node.when.values() for inner in branch]


def _not_in_the_space(space: Space, name: str, given: Mapping[str, Value], path: str) -> list[str]:
    default = SETTINGS[name].default
    if default is not None and given[name] == default:
        return []
    stands = f"its default, {show(default)}" if default is not None else "each trial's own"
    return [
        f"{path}.{name}: {show(given[name])}, but [space] does not have {name} in this "
        f"configuration, where it is {stands}. Add it to [space]."
    ]


def describe(domain: Domain) -> str:
    """Describe a domain in words."""
    if isinstance(domain, Categorical):
        return "choices " + ", ".join(str(show(choice)) for choice in domain.choices)
    every = isinstance(domain, Int) and domain.step == 1
    step = "" if every or domain.step is None else f" in steps of {domain.step}"
    return f"{domain.low} to {domain.high}{step}"
