"""Read ``[study] baseline``: the configuration that a study's trials are compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sweep.catalogue.rules import conflicts
from sweep.catalogue.settings import SEED, Value, in_use
from sweep.config import BASELINE, TrialConfig
from sweep.studyfile.enqueue import describe, read_configuration, read_values
from sweep.studyfile.space import Fixed, Node, Searched, Space
from sweep.studyfile.words import show


@dataclass(frozen=True, kw_only=True)
class CompletedBaseline:
    """A baseline with every setting, as trials of a search space have them."""

    #: All settings in use.
    settings: Mapping[str, Value]
    #: Those that the space searches: what ``[[enqueue]]`` has to name.
    searched: Mapping[str, Value]
    #: Searched settings whose domain lacks the baseline's value.
    outside: Mapping[str, Searched]


def complete_baseline(space: Space, named: Mapping[str, Value]) -> CompletedBaseline:
    """Complete the settings that a study names for its baseline.

    A setting that is not named has the value that the space fixes; if it is searched, BASELINE's
    value; otherwise its default, as in every trial.
    """
    fixed: dict[str, Value] = {}
    searched: dict[str, Value] = {}
    outside: dict[str, Searched] = {}

    def enter(nodes: Sequence[Node]) -> None:
        for node in nodes:
            name = node.setting
            if name == SEED.name:  # separate for each trial
                continue
            if isinstance(node, Fixed):
                fixed[name] = node.value
                continue
            searched[name] = value = named.get(name, _QUESTION[name])
            if not node.domain.contains(value):
                outside[name] = node
            enter(node.when.get(value, ()))

    enter(space.nodes)
    settings = in_use({**_DEFAULTS, **fixed, **searched, **named})
    return CompletedBaseline(settings=settings, searched=searched, outside=outside)


def _plain(config: TrialConfig) -> dict[str, Value]:
    """Convert the configuration to values that TOML and SQL hold."""
    return {name: str(of) if isinstance(of, str) else of for name, of in asdict(config).items()}


_QUESTION, _DEFAULTS = _plain(BASELINE), _plain(TrialConfig())


def read_baseline(
    space: Space | None, raw: Mapping[str, Any], path: str
) -> tuple[dict[str, Value], list[str]]:
    """Read the settings of a study's own baseline, all that are in use, and problems.

    Some trial of the space must be able to have them. If the space itself has problems, only the
    values are checked.
    """
    problems: list[str] = []
    if SEED.name in raw:
        problems.append(f"{path}.{SEED.name}: a baseline has no seed. Omit it.")
        raw = {name: of for name, of in raw.items() if name != SEED.name}
    unreadable: list[str] = []
    named = read_values(raw, path, unreadable)
    if space is None:
        return {}, problems + unreadable
    if unreadable:  # and may determine what else is searched
        return {}, problems + read_configuration(space, raw, path)[1]
    found = complete_baseline(space, named)
    left_out = {name: node for name, node in found.outside.items() if name not in named}
    given = {name: of for name, of in found.searched.items() if name not in left_out}
    problems += read_configuration(space, {**given, **named}, path)[1]
    problems += [
        f"{path}.{name}: left out, it is {show(_QUESTION[name])}, which is not in {node.path}, "
        f"which has {describe(node.domain)}. Name one of these."
        for name, node in left_out.items()
    ]
    if not left_out:
        contradictory = conflicts({**_DEFAULTS, **found.settings})
        problems += [f"{path}: {sentence}" for sentence in contradictory]
    return dict(found.settings), problems
