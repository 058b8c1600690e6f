"""Represent a search space as a tree: settings that are fixed, searched, or depend on a choice."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweep.catalogue.settings import SETTINGS, Value
from sweep.config import TrialConfig
from sweep.studyfile.domains import Categorical, Domain, Int
from sweep.studyfile.words import either

#: Called for every searched setting that a trial has: (Optuna's parameter name, domain) -> value.
Suggest = Callable[[str, Domain], Any]


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A setting with one value."""

    setting: str
    #: Its path in the file, such as ``space.optimizer.when.sgd.momentum``.
    path: str
    value: Value


@dataclass(frozen=True, kw_only=True)
class Searched:
    """A setting that the sampler chooses."""

    setting: str
    path: str
    #: Optuna's name of the parameter: the setting, or ``value.setting`` under ``when.value``.
    name: str
    domain: Domain
    #: Further settings of a trial that makes this choice.
    when: Mapping[Value, "tuple[Node, ...]"] = field(default_factory=dict)


Node = Fixed | Searched


@dataclass(frozen=True, kw_only=True)
class Space:
    """The complete ``[space]``."""

    nodes: tuple[Node, ...]

    def search_space(self) -> list[Searched]:
        """Return every searched setting at any depth, in the order of the file."""
        return list(searched_nodes(self.nodes))

    def domains(self) -> dict[str, Domain]:
        """Return Optuna's parameter names with their domains."""
        return {node.name: node.domain for node in searched_nodes(self.nodes)}

    def always_searched(self) -> list[Searched]:
        """List what every trial searches: the searched settings outside ``when``."""
        return [node for node in self.nodes if isinstance(node, Searched)]

    def grid_size(self) -> int:
        """Return the number of configurations. Raises ValueError if a range cannot be counted."""
        return n_points(self.nodes)

    def resolve(self, suggest: Suggest) -> tuple[TrialConfig, int | None]:
        """Build one configuration by calling ``suggest`` for searched settings.

        Return its seed too.
        """
        values: dict[str, Value] = {}
        _enter(self.nodes, suggest, values)
        typed: dict[str, Any] = {
            name: SETTINGS[name].to_type(value) for name, value in values.items()
        }
        seed = typed.pop("seed", None)
        return TrialConfig(**typed), seed

    def possible(self, setting: str) -> list[Value | Domain]:
        """List the possible values of a setting over all trials: values, and number ranges."""
        found: list[Value | Domain] = []
        for case in scenarios(self.nodes, frozenset([setting])):
            found.append(case.get(setting, SETTINGS[setting].default or 0))
        return found

    def reference_only(self) -> list[str]:
        """List what only the reference trainer can train in some trials: "noise may be masking"."""
        return [
            f"{name} {verb} {either(others)}"
            for name, setting in SETTINGS.items()
            if setting.fast_value is not None
            for verb, others in [self._others(name, setting.fast_value)]
            if others
        ]

    def _others(self, setting: str, value: Value) -> tuple[str, list[Value]]:
        """Return the other possible values of a setting, with the verb for the sentence."""
        values = {each: None for of in self.possible(setting) for each in _values(of)}
        return "may be" if len(values) > 1 else "is", [of for of in values if of != value]

    def highest(self, setting: str) -> int:
        """Return the highest value that an integer setting has in any trial."""
        return max(map(_highest, self.possible(setting)))


def _values(values: Value | Domain) -> list[Value]:
    if not isinstance(values, Domain):
        return [values]
    return [values.at(i) for i in range(values.count() or 0)]


def _highest(values: Value | Domain) -> int:
    return values.high if isinstance(values, Int) else int(values)  # type: ignore[arg-type]


def searched_nodes(nodes: Sequence[Node]) -> Iterator[Searched]:
    """Yield every searched node at any depth, parents before the nodes that they determine."""
    for node in nodes:
        if isinstance(node, Searched):
            yield node
            for inner in node.when.values():
                yield from searched_nodes(inner)


def searched_nodes_of(nodes: Sequence[Node], settings: Mapping[str, Any]) -> Iterator[Searched]:
    """Yield the searched nodes that a trial with these settings has, as far as they are known."""
    for node in nodes:
        if isinstance(node, Searched) and node.setting in settings:
            yield node
            yield from searched_nodes_of(node.when.get(settings[node.setting], ()), settings)


def n_points(nodes: Sequence[Node]) -> int:
    """Return how many combinations of values the nodes have."""
    return math.prod(_n_points_of(node) for node in nodes if isinstance(node, Searched))


def _n_points_of(node: Searched) -> int:
    if isinstance(node.domain, Categorical):
        return sum(n_points(node.when.get(choice, ())) for choice in node.domain.choices)
    count = node.domain.count()
    if count is None:
        raise ValueError(f"{node.path} cannot be counted")
    return count


def _enter(nodes: Sequence[Node], suggest: Suggest, values: dict[str, Value]) -> None:
    for node in nodes:
        if isinstance(node, Fixed):
            values[node.setting] = node.value
            continue
        value = suggest(node.name, node.domain)
        values[node.setting] = value
        _enter(node.when.get(value, ()), suggest, values)


#: Choices on the way to a node: path of the deciding setting -> its value.
Conditions = Mapping[str, Value]
#: A combination of settings: each with a value, or a range of numbers.
Scenario = dict[str, Value | Domain]


def scenarios(
    nodes: Sequence[Node], wanted: frozenset[str], given: Conditions | None = None
) -> list[Scenario]:
    """List every combination of the wanted settings that a trial can have, under given conditions.

    It branches only on settings that affect the wanted ones, so the list stays short.
    """
    cases: list[Scenario] = [{}]
    for node in nodes:
        options = _options(node, wanted, given or {})
        cases = [case | option for case in cases for option in options]
    return cases


def _options(node: Node, wanted: frozenset[str], given: Conditions) -> list[Scenario]:
    if isinstance(node, Fixed):
        return [{node.setting: node.value}] if node.setting in wanted else [{}]
    if not isinstance(node.domain, Categorical):
        return [{node.setting: node.domain}] if node.setting in wanted else [{}]
    options: list[Scenario] = []
    for choice in node.domain.choices:
        if given.get(node.path, choice) != choice:
            continue
        own: Scenario = {node.setting: choice} if node.setting in wanted else {}
        for inner in scenarios(node.when.get(choice, ()), wanted, given):
            if own | inner not in options:
                options.append(own | inner)
    return options


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A node and the choices under which a trial has it."""

    node: Node
    conditions: Conditions

    def meets(self, other: "Placement") -> bool:
        """Return whether one trial can have both."""
        mine, theirs = self.conditions, other.conditions
        return all(theirs.get(path, value) == value for path, value in mine.items())


def placements(nodes: Sequence[Node], conditions: Conditions | None = None) -> Iterator[Placement]:
    """Yield every node at any depth with its conditions."""
    for node in nodes:
        yield Placement(node=node, conditions=conditions or {})
        if isinstance(node, Searched):
            for value, inner in node.when.items():
                yield from placements(inner, {**(conditions or {}), node.path: value})
