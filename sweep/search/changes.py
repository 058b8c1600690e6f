"""Find changes of a study file that an existing study cannot take, in words.

A finished trial's configuration is computed from the study file and its parameters, and Optuna
keeps one distribution per parameter: so the space may widen, but not change otherwise.
"""

from shlex import quote

from sweep.catalogue.settings import SETTINGS, setting_of
from sweep.enums import Dataset
from sweep.studyfile import Categorical, Fixed, Float, Int, Node, Searched, StudyFile
from sweep.studyfile.domains import Domain
from sweep.studyfile.enqueue import describe
from sweep.studyfile.space import placements
from sweep.studyfile.words import show

_ANEW = "Undo the change, or start a study with another name."
#: Settings of the other sections that make trials incomparable.
_KEPT = {
    "study": ("seed", "objectives", "repeat"),
    "data": ("name", "size", "validation_fraction", "split_seed", "train_limit"),
}


def incompatible_changes(old: StudyFile, new: StudyFile) -> list[str]:
    """Return one line for each change that the study's existing trials rule out."""
    return [*_section_changes(old, new), *_space_changes(old, new), *_first_changes(old, new)]


def _section_changes(old: StudyFile, new: StudyFile) -> list[str]:
    lines = []
    for section, keys in _KEPT.items():
        for key in keys:
            before, now = (getattr(getattr(f, section), key) for f in (old, new))
            if before != now and not (key == "name" and _are_paths(before, now)):
                lines.append(f"{section}.{key}: was {_words(before)}, is {_words(now)}. {_ANEW}")
    return lines


def _are_paths(*names: object) -> bool:
    """Return whether these are a user's own images, whose digest shows whether they only moved."""
    return not {*names} & {*Dataset}


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    return "left out" if value is None else show(value)


def _space_changes(old: StudyFile, new: StudyFile) -> list[str]:
    before = {placed.node.path: placed.node for placed in placements(old.space.nodes)}
    now = {placed.node.path: placed.node for placed in placements(new.space.nodes)}
    paths = dict.fromkeys([*before, *now])
    lines = [_node_change(path, before.get(path), now.get(path)) for path in paths]
    return [line for line in lines if line is not None]


def _node_change(path: str, old: Node | None, new: Node | None) -> str | None:
    if isinstance(old, Searched) and isinstance(new, Searched):
        return _domain_change(path, old.domain, new.domain)
    if isinstance(old, Searched) or isinstance(new, Searched):
        return f"{path}: was {_state(old)}, is {_state(new)}. {_ANEW}"
    default = SETTINGS[setting_of(path)].default
    before = old.value if isinstance(old, Fixed) else default
    now = new.value if isinstance(new, Fixed) else default
    if before == now:
        return None
    return f"{path}: was {_words(before)}, is {_words(now)}. {_ANEW}"


def _state(node: Node | None) -> str:
    if node is None:
        return "not in the space"
    if isinstance(node, Fixed):
        return f"fixed to {show(node.value)}"
    return f"searched over {describe(node.domain)}"


def _domain_change(path: str, old: Domain, new: Domain) -> str | None:
    if old == new:
        return None
    change = f"was {describe(old)}, is {describe(new)}"
    match old, new:
        case Categorical(), Categorical():
            return f"{path}: choices and their order cannot change: {change}. {_ANEW}"
        case (Float(), Float()) | (Int(), Int()):
            return _range_change(path, old, new, change)
    return f"{path}: a range cannot replace choices, nor choices a range: {change}. {_ANEW}"


def _range_change(path: str, old: Domain, new: Domain, change: str) -> str | None:
    assert isinstance(old, Float | Int) and isinstance(new, Float | Int)
    if old.log != new.log:
        return f"{path}: log cannot change (was {show(old.log)}). {_ANEW}"
    if not (new.low <= old.low and new.high >= old.high):
        return f"{path}: a range may widen, not narrow: {change}. {_ANEW}"
    if not _keeps_steps(old, new):
        return f"{path}: the new steps miss values of the old ones: {change}. {_ANEW}"
    return None


def _keeps_steps(old: Float | Int, new: Float | Int) -> bool:
    if new.step is None:
        return True
    if old.step is None:
        return False
    return new.contains(old.low) and new.contains(old.low + old.step)


def _first_changes(old: StudyFile, new: StudyFile) -> list[str]:
    instead = f"To add a configuration now, use sweep enqueue {quote(new.study.name)}."
    changed = {
        "enqueue": old.enqueue != new.enqueue,
        "warm_start.best": old.warm_start.best != new.warm_start.best,
    }
    return [
        f"{key}: is only read when a study begins. {instead}" for key in changed if changed[key]
    ]
