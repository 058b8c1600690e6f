"""Apply ``--set section.key=value``: changes of the file for one run."""

import tomllib
from collections.abc import Sequence
from typing import Any

from sweep.studyfile.words import show, show_path

_EXAMPLE = "Write section.key=value, such as budget.trials=50 or sampler.name=random."


def apply_overrides(raw: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Apply each override to the file's tables, in place; return the problems."""
    problems = []
    for override in overrides:
        try:
            keys, value = _read(override)
            _put(raw, keys, value)
        except ValueError as error:
            problems.append(f"--set {show(override)}: {error}")
    return problems


def _read(override: str) -> tuple[list[str], object]:
    key, equals, value = override.partition("=")
    if not equals:
        raise ValueError(f"no '=' in it. {_EXAMPLE}")
    keys = _keys(key.strip())
    if len(keys) < 2:
        raise ValueError(f"is not a key of a section. {_EXAMPLE}")
    return keys, _value(value.strip())


def _keys(text: str) -> list[str]:
    # TOML parses the path, so that quoted keys work as they do in a file.
    if "\n" in text or "=" in text or "#" in text:
        raise ValueError(f"{show(text)} is not a path. {_EXAMPLE}")
    try:
        found: Any = tomllib.loads(f"{text} = 0")
    except (ValueError, RecursionError):
        raise ValueError(f"{show(text)} is not a path. {_EXAMPLE}") from None
    keys = []
    while isinstance(found, dict):
        ((key, found),) = found.items()
        keys.append(key)
    return keys


def _value(text: str) -> object:
    """Parse the text as TOML; anything else is a string, so that names need no quotes."""
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return found["value"] if found.keys() == {"value"} else text


def _put(raw: dict[str, Any], keys: Sequence[str], value: object) -> None:
    table: dict[str, Any] | list[Any] = raw
    for depth in range(1, len(keys)):
        inner = _get(table, keys[:depth])
        if not isinstance(inner, dict | list):
            # A fixed setting becomes a searched one: space.epochs.low=2 replaces epochs = 5.
            inner = {}
            _set(table, keys[:depth], inner)
        elif isinstance(inner, list) and keys[0] == "space" and not keys[depth].isdecimal():
            inner = {"choices": inner}  # the long form of the list, for space.epochs.when
            _set(table, keys[:depth], inner)
        table = inner
    _set(table, keys, value)


def _get(table: dict[str, Any] | list[Any], keys: Sequence[str]) -> object:
    """Return the value at a path whose last key is in this table."""
    return table[_index(table, keys)] if isinstance(table, list) else table.get(keys[-1])


def _set(table: dict[str, Any] | list[Any], keys: Sequence[str], value: object) -> None:
    if isinstance(table, list):
        table[_index(table, keys)] = value
    else:
        table[keys[-1]] = value


def _index(found: list[Any], keys: Sequence[str]) -> int:
    if keys[-1].isdecimal() and len(keys[-1]) < 9 and int(keys[-1]) < len(found):
        return int(keys[-1])
    raise ValueError(f"{show_path(keys[:-1])} is a list of {len(found)}; count its entries from 0.")
