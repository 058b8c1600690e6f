"""What is installed, and from where: every requirement pinned, no package index named."""

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import entry_points, requires
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


def closure(extras: Iterable[str]) -> set[str]:
    """Names of the installed packages that sweep with these extras brings along."""
    ours = PROJECT["optional-dependencies"]
    queue = [Requirement(text) for text in PROJECT["dependencies"]]
    queue += [Requirement(f"{PROJECT['name']}[{extra}]") for extra in extras]
    seen = set[tuple[str, str]]()
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {of for known, of in seen if known == name}:
            seen.add((name, extra))
            texts = ours.get(extra, ()) if name == PROJECT["name"] else requires(name) or ()
            found = [Requirement(text) for text in texts]
            queue += [
                of for of in found if of.marker is None or of.marker.evaluate({"extra": extra})
            ]
    return {name for name, _ in seen} - {PROJECT["name"]}


def test_every_package_that_an_installation_brings_is_pinned() -> None:
    names = closure(["dev"])
    assert {"torch", "itsdangerous", "mypy"} <= names
    assert {name for name in names if not pins(name)} == set()


def test_looking_needs_no_torch() -> None:
    """A database, its pages and reports need less than a hundredth of what training needs."""
    names = closure([])
    assert {"optuna", "dash", "plotly"} <= names
    assert not {"torch", "torchvision", "triton", "ray"} & names


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "Makefile", ".ci/run"])
def test_no_package_index_is_named(name: str) -> None:
    assert not re.search(r"https?://|index-url|find-links", (ROOT / name).read_text())


def test_the_command_is_called_sweep() -> None:
    (command,) = entry_points(group="console_scripts", name="sweep")
    assert command.value == "sweep.cli:main"
