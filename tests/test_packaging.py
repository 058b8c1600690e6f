"""What is built and installed, and from where: every requirement pinned, no package index named."""

import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterable
from email import message_from_bytes
from importlib.metadata import entry_points, requires
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import sweep

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


def build(folder: Path, target: str, output: Path) -> Path:
    """Build a distribution of the project in ``folder``."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(output)]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    (built,) = output.iterdir()
    return built


def contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of the wheel, by name."""
    return contents(build(ROOT, "wheel", tmp_path_factory.mktemp("wheel")))


def test_the_source_distribution_builds_the_same_wheel(
    wheel: dict[str, bytes], tmp_path: Path
) -> None:
    archive = build(ROOT, "sdist", tmp_path / "sdist")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    source = tmp_path / archive.name.removesuffix(".tar.gz")
    assert contents(build(source, "wheel", tmp_path / "wheel")) == wheel
    assert (source / "studies" / "quickstart.toml").exists()
    assert (source / "docs" / "README.md").exists()


def test_the_wheel_has_the_version_of_the_newest_changes_and_the_packages_own_data(
    wheel: dict[str, bytes],
) -> None:
    version = sweep.__version__
    metadata = message_from_bytes(wheel[f"sweep_autoencoder-{version}.dist-info/METADATA"])
    assert metadata["Version"] == version
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    headings = re.findall(r"(?m)^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text())
    assert headings[:2] == ["Unreleased", version]
    assert "sweep/datasets/fashion-mnist-mini/train-images-idx3-ubyte.gz" in wheel
    assert {name.partition("/")[0] for name in wheel} == {
        "sweep",
        f"sweep_autoencoder-{version}.dist-info",
    }


def test_nothing_that_is_installed_points_to_a_file_that_is_not(wheel: dict[str, bytes]) -> None:
    """The command line, pages and docstrings of a wheel stand without the repository."""
    elsewhere = re.compile(r"\b(?:docs|studies|benchmarks|tests)/\w[\w./-]*|[\w./-]+\.md\b")
    texts = {
        name: text.decode()
        for name, text in wheel.items()
        if name.endswith((".py", ".html", ".js", ".css", "METADATA")) and "/vendor/" not in name
    }
    assert len(texts) > 300
    found = {name: elsewhere.findall(text) for name, text in texts.items()}
    assert {name: places for name, places in found.items() if places} == {}
