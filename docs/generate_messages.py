"""Writes the tables of messages in docs/internals.md from the code. `make docs` runs it."""

import inspect
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from docs.generated_section import with_section
from sweep import messages
from sweep.messages import Event, Order

TARGET = Path(__file__).with_name("internals.md")


def render() -> str:
    """Return the page, with the tables as the code has them."""
    return with_section(TARGET, "sweep/messages.py", _tables())


def _tables() -> Iterator[str]:
    orders, events = get_args(Order), get_args(Event)
    yield from _table("order of the coordinator", orders)
    yield from _table("event of a worker", events)
    yield from _table("record in them", _parts([*orders, *events]))


def _table(title: str, classes: Any) -> Iterator[str]:
    yield f"| {title} | fields | |"
    yield "|---|---|---|"
    for cls in classes:
        yield f"| `{cls.__name__}` | {_fields(cls)} | {_first_sentence(cls)} |"
    yield ""


def _parts(classes: Iterable[type]) -> list[type]:
    """Return the records that the fields of these classes hold, each once, outer ones first."""
    found: dict[type, None] = {}
    for cls in classes:
        inner = [kind for hint in get_type_hints(cls).values() for kind in _leaves(hint)]
        ours = [kind for kind in inner if kind.__module__ == messages.__name__]
        found.update(dict.fromkeys([*ours, *_parts(ours)]))
    return [*found]


def _leaves(hint: Any) -> Iterator[type]:
    """Yield the classes that a type is made of."""
    if isinstance(hint, type):
        yield hint
    for part in get_args(hint):
        yield from _leaves(part)


def _fields(cls: type) -> str:
    return ", ".join(f"`{name}`: {_kind(hint)}" for name, hint in get_type_hints(cls).items())


def _kind(hint: Any) -> str:
    """Name a type: "int", "list of EpochDone", "float or none"."""
    if get_origin(hint) is tuple:
        return f"list of {_kind(get_args(hint)[0])}"
    if get_origin(hint) in (types.UnionType, Union):
        kinds = (_kind(one) for one in get_args(hint) if one is not type(None))
        return " or ".join([*kinds, "none"])
    return str(hint.__name__)


def _first_sentence(cls: type) -> str:
    paragraph = (inspect.getdoc(cls) or "").split("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
