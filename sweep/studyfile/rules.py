"""Check rules between the settings of a space."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

from sweep.catalogue.rules import needs_momentum, needs_sigmoid
from sweep.catalogue.settings import SETTINGS, Value
from sweep.studyfile.domains import Domain, Float
from sweep.studyfile.space import (
    Node,
    Placement,
    Scenario,
    Searched,
    placements,
    scenarios,
    searched_nodes,
)


def space_problems(nodes: Sequence[Node]) -> list[str]:
    """Return one line for each rule that the space breaks."""
    twice = list(_find_given_twice(nodes))
    if twice:  # the rules below need one value per setting
        return twice
    return [
        *_names_with_two_domains(nodes),
        *_bce_with_linear(nodes),
        *_nesterov_without_momentum(nodes),
        *_find_searched_in_vain(nodes),
    ]


def _find_given_twice(nodes: Sequence[Node]) -> Iterator[str]:
    by_setting: dict[str, list[Placement]] = defaultdict(list)
    for placement in placements(nodes):
        by_setting[placement.node.setting].append(placement)
    for name, found in by_setting.items():
        for one, other in combinations(sorted(found, key=lambda p: len(p.conditions)), 2):
            if one.meets(other):
                yield (
                    f"{other.node.path}: {name} is also given at {one.node.path}, and a trial "
                    "can have both. Keep one, or put each under a choice of its own."
                )


def _names_with_two_domains(nodes: Sequence[Node]) -> Iterator[str]:
    first: dict[str, Searched] = {}
    for node in searched_nodes(nodes):
        known = first.setdefault(node.name, node)
        if known.domain != node.domain:
            yield (
                f"{node.path}: Optuna stores this as '{node.name}', as it does {known.path}. "
                "Give the two the same values to search."
            )


def _setting(case: Scenario, name: str) -> Value | Domain | None:
    default: Value | None = SETTINGS[name].default
    return case.get(name, default)


def _bce_with_linear(nodes: Sequence[Node]) -> Iterator[str]:
    cases = scenarios(nodes, frozenset({"output_activation", "loss"}))
    if not any(needs_sigmoid(_setting(c, "loss"), _setting(c, "output_activation")) for c in cases):
        return
    given = [p.node.path for p in placements(nodes) if p.node.setting == "loss"]
    why = "" if given else " (loss is bce unless given)"
    yield (
        f"{given[0] if given else 'space.output_activation'}: bce needs the sigmoid output, and a "
        f"trial could have bce with linear{why}. Give each output its own losses: "
        '[space.output_activation] choices = ["sigmoid", "linear"], '
        '[space.output_activation.when.sigmoid] loss = ["bce", "mse"], '
        '[space.output_activation.when.linear] loss = ["mse", "l1"].'
    )


def _nesterov_without_momentum(nodes: Sequence[Node]) -> Iterator[str]:
    cases = scenarios(nodes, frozenset({"optimizer", "nesterov", "momentum"}))
    for case in cases:
        momentum = _setting(case, "momentum")
        least = momentum.low if isinstance(momentum, Float) else momentum
        if needs_momentum(_setting(case, "optimizer"), _setting(case, "nesterov"), least):
            path = next(p.node.path for p in placements(nodes) if p.node.setting == "nesterov")
            yield (
                f"{path}: nesterov needs a momentum above 0, and a trial could have none. "
                "Give sgd a momentum, such as momentum = 0.9 or "
                "momentum = { low = 0.5, high = 0.99 }."
            )
            return


def _find_searched_in_vain(nodes: Sequence[Node]) -> Iterator[str]:
    for placement in placements(nodes):
        setting = SETTINGS[placement.node.setting]
        if not isinstance(placement.node, Searched) or setting.used_with is None:
            continue
        decider, users = setting.used_with
        cases = scenarios(nodes, frozenset([decider]), placement.conditions)
        values = [_setting(case, decider) for case in cases]
        if not any(_may_be(value, user) for value in values for user in users):
            yield (
                f"{placement.node.path}: searched without effect: only {_users(decider, users)} "
                f"uses {setting.name}, and {decider} is {_or(values)} here. Omit it."
            )


def _may_be(values: Value | Domain | None, value: Value) -> bool:
    return values.contains(value) if isinstance(values, Domain) else values == value


def _users(decider: str, users: Sequence[Value]) -> str:
    return _or(users) if isinstance(users[0], str) else f"{decider} {users[0]} to {users[-1]}"


def _or(names: Sequence[object]) -> str:
    return " or ".join(dict.fromkeys(str(name) for name in names))
