"""What is installed, and from where: every requirement pinned, no package index named."""

import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()]


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]
    found = [Requirement(text) for text in texts]
    return [requirement for requirement in found if requirement.name != PROJECT["name"]]


def pins(name: str) -> list[Requirement]:
    """More than one where machines differ."""
    return [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(name)]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_every_requirement_is_pinned_to_a_version_it_allows(requirement: Requirement) -> None:
    assert pins(requirement.name)
    for pin in pins(requirement.name):
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert requirement.specifier.contains(specifier.version)


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "Makefile", ".ci/run"])
def test_no_package_index_is_named(name: str) -> None:
    assert not re.search(r"https?://|index-url|find-links", (ROOT / name).read_text())


def test_the_command_is_called_sweep() -> None:
    (command,) = entry_points(group="console_scripts", name="sweep")
    assert command.value == "sweep.cli:main"
