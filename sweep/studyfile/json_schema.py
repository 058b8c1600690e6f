"""Generate the JSON Schema of study files, for completion and help in editors."""

from typing import Any

from sweep.catalogue.settings import SETTINGS, Setting
from sweep.studyfile.sections import SECTIONS

_DRAFT = "http://json-schema.org/draft-07/schema#"  # supported by editors' TOML tools


def json_schema() -> dict[str, Any]:
    """Return the complete schema, for ``sweep schema``."""
    sections = {name: _section(name) for name in SECTIONS}
    sections["study"]["properties"]["baseline"]["anyOf"] = [
        _table("The settings of a configuration.", "fixed"),
        {"type": "integer", "minimum": 0},
    ]
    return {
        "$schema": _DRAFT,
        "title": "sweep study file",
        "type": "object",
        "additionalProperties": False,
        "required": ["study", "space"],
        "properties": {
            **sections,
            "space": _table("The search space of the trials.", "searched"),
            "enqueue": {
                "description": "Configurations that run first; they may name only some settings.",
                "type": "array",
                "items": _table("One configuration.", "fixed"),
            },
        },
        "definitions": {
            **{f"searched_{name}": _searched_schema(setting) for name, setting in SETTINGS.items()},
            **{f"fixed_{name}": _fixed_schema(setting) for name, setting in SETTINGS.items()},
            "settings": _table("Settings that exist only with this choice.", "searched"),
        },
    }


def _section(name: str) -> dict[str, Any]:
    schema = SECTIONS[name].model_json_schema()
    definitions = schema.pop("$defs", {})
    resolved = _inline(schema, definitions)
    assert isinstance(resolved, dict)
    return resolved


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """Inline references, which only point to short lists of names."""
    if isinstance(schema, list):
        return [_inline(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        names = definitions[reference.rpartition("/")[2]]["enum"]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {"type": "string", "enum": names, **rest}
    if "anyOf" in schema:
        return _optional(schema, definitions)
    return {key: _inline(part, definitions) for key, part in schema.items()}


def _optional(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    # TOML has no null: "may be omitted" is all that remains of "or None".
    kinds = [part for part in schema["anyOf"] if part != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    if len(kinds) > 1:
        return {"anyOf": _inline(kinds, definitions), **rest}
    return {**_inline(kinds[0], definitions), **rest}


def _table(about: str, kind: str) -> dict[str, Any]:
    return {
        "description": about,
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"$ref": f"#/definitions/{kind}_{name}"} for name in SETTINGS},
    }


def _fixed_schema(setting: Setting[Any]) -> dict[str, Any]:
    about = {"description": setting.about}
    if setting.default is not None:
        about["default"] = setting.default
    return {**_value(setting), **about}


def _value(setting: Setting[Any]) -> dict[str, Any]:
    if setting.choices:
        return {"type": "string", "enum": list(setting.choices)}
    if setting.kind is bool:
        return {"type": "boolean"}
    low = "exclusiveMinimum" if setting.open_low else "minimum"
    high = "exclusiveMaximum" if setting.open_high else "maximum"
    limits = {low: setting.low, high: setting.high}
    return {"type": "integer" if setting.kind is int else "number", **limits}


def _searched_schema(setting: Setting[Any]) -> dict[str, Any]:
    ways = [_value(setting), _list(setting), _choices(setting)]
    if not setting.choices and setting.kind is not bool:
        ways.append(_range(setting))
    return {"description": setting.about, "anyOf": ways}


def _choices(setting: Setting[Any]) -> dict[str, Any]:
    return {
        "description": "Values to choose from, and settings that depend on them.",
        "type": "object",
        "additionalProperties": False,
        "required": ["choices"],
        "properties": {
            "choices": _list(setting),
            "when": _when(setting),
        },
    }


def _list(setting: Setting[Any]) -> dict[str, Any]:
    return {
        "description": "Values to choose from.",
        "type": "array",
        "items": _value(setting),
        "minItems": 1,
        "uniqueItems": True,
    }


def _when(setting: Setting[Any]) -> dict[str, Any]:
    about = "Settings that a trial has only with this choice."
    inner = {"$ref": "#/definitions/settings"}
    names = setting.choices or (("true", "false") if setting.kind is bool else ())
    if names:
        named = dict.fromkeys(names, inner)
        return {
            "description": about,
            "type": "object",
            "additionalProperties": False,
            "properties": named,
        }
    return {"description": about, "type": "object", "additionalProperties": inner}


def _range(setting: Setting[Any]) -> dict[str, Any]:
    value = _value(setting)
    step = {"type": value["type"], "exclusiveMinimum": 0}
    return {
        "description": "A range to choose from, both ends included.",
        "type": "object",
        "additionalProperties": False,
        "required": ["low", "high"],
        "properties": {
            "low": value,
            "high": value,
            "log": {"type": "boolean", "description": "Sample evenly in the logarithm."},
            "step": {**step, "description": "Distance between values."},
        },
    }
