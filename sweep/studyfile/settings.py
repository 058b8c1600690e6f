"""Read values of settings: as in the catalogue, or with an error message."""

from enum import StrEnum
from typing import Any

from sweep.catalogue.settings import Setting, Value
from sweep.studyfile.words import hint, show


def read_value(setting: Setting[Any], value: object) -> Value:
    """Return the value as the setting holds it.

    Raises ValueError with a sentence if it is invalid.
    """
    if issubclass(setting.kind, StrEnum):
        return _read_name(setting, value)
    if setting.kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, got {show(value)}.")
        return value
    return _read_number(setting, value)


def _read_name(setting: Setting[Any], value: object) -> str:
    if isinstance(value, str) and value in setting.choices:
        return value
    known = hint(value, setting.choices)
    noun = "weight initialisation" if setting.name == "weight_init" else setting.name
    raise ValueError(f"unknown {noun} {show(value)}. {known}")


def _read_number(setting: Setting[Any], value: object) -> int | float:
    whole = setting.kind is int
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        kind = "whole number" if whole else "number"
        raise ValueError(f"must be a {kind}, got {show(value)}.")
    if not setting.allows(value):
        raise ValueError(f"must be {setting.limits}, got {show(value)}.")
    return value if whole else float(value)
