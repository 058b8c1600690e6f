"""The schema that editors read: it knows every key and name, and accepts what we ship."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sweep.catalogue.settings import SETTINGS
from sweep.enums import Dataset, Pruner, Sampler
from sweep.studyfile import json_schema
from sweep.studyfile.sections import SECTIONS

SCHEMA = json_schema()
STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))
TYPES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """The part of JSON Schema that ours uses."""
    if reference := schema.get("$ref"):
        schema = SCHEMA["definitions"][reference.removeprefix("#/definitions/")]
    if "anyOf" in schema:
        return any(accepts(option, value) for option in schema["anyOf"])
    if not isinstance(value, TYPES[schema["type"]]):
        return False
    if isinstance(value, dict):
        return _accepts_table(schema, value)
    if isinstance(value, list):
        return all(accepts(schema["items"], item) for item in value)
    return value in schema.get("enum", [value])


def _accepts_table(schema: dict[str, Any], table: dict[str, Any]) -> bool:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    if not set(schema.get("required", ())) <= set(table):
        return False
    if others is False and not set(table) <= set(known):
        return False
    fallback = others if isinstance(others, dict) else {}
    return all(accepts(known.get(key, fallback), inner) for key, inner in table.items())


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_file_fits_the_schema(path: Path) -> None:
    assert accepts(SCHEMA, tomllib.loads(path.read_text()))


@pytest.mark.parametrize(
    "space",
    [
        {"hiden_width": 5},
        {"optimizer": "adamm"},
        {"optimizer": {"choices": ["adamm"]}},
        {"optimizer": {"choices": ["adam"], "when": {"adamm": {}}}},
        {"optimizer": {"choices": ["adam"], "when": {"adam": {"beta": 0.9}}}},
        {"epochs": {"low": 3}},
        {"epochs": 1.5},
    ],
)
def test_a_misspelt_space_does_not_fit_the_schema(space: dict[str, Any]) -> None:
    assert not accepts(SCHEMA, {"study": {"name": "x"}, "space": space})


def test_the_schema_is_json_and_its_references_lead_somewhere() -> None:
    text = json.dumps(SCHEMA)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/definitions/')[1:]}
    assert references <= set(SCHEMA["definitions"])


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_of_a_section_is_described(name: str) -> None:
    properties = SCHEMA["properties"][name]["properties"]
    assert set(properties) == set(SECTIONS[name].model_fields)
    assert all(field["description"] for field in properties.values())


def test_names_are_offered() -> None:
    sections = SCHEMA["properties"]
    assert sections["sampler"]["properties"]["name"]["enum"] == list(Sampler)
    assert sections["pruner"]["properties"]["name"]["enum"] == list(Pruner)
    assert sections["data"]["properties"]["name"]["examples"] == list(Dataset)
    assert sections["sampler"]["properties"]["qmc_type"]["enum"] == ["sobol", "halton"]


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_is_described_and_its_names_offered(setting) -> None:
    fixed = SCHEMA["definitions"][f"fixed_{setting.name}"]
    assert fixed["description"] == setting.about
    assert tuple(fixed.get("enum", ())) == setting.choices
