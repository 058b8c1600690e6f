"""Data that go to another host: fetched once there, checked, found from then on."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sweep import datasets
from sweep.datasets import DatasetArchive
from sweep.datasets.registry import SOURCES
from sweep.enums import Dataset
from sweep.errors import DataError
from tests.support.factories import make_images, make_source, write_dataset


@pytest.fixture
def archive(tmp_path: Path) -> DatasetArchive:
    return DatasetArchive.pack(str(write_dataset(tmp_path / "mine", make_images(), end=".gz")))


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SWEEP_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def _kmnist(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """As small as ``make_images``."""
    monkeypatch.setitem(SOURCES, Dataset.KMNIST, make_source())


def not_again() -> Mapping[str, bytes]:
    raise AssertionError("it was here already")


@pytest.mark.usefixtures("cache")
def test_a_folder_is_kept_by_its_content_and_fetched_once(archive: DatasetArchive) -> None:
    here = datasets.install("./elsewhere", "abc", lambda: archive.files)
    assert datasets.load(here).sha256 == make_images().sha256
    assert datasets.install("./elsewhere", "abc", not_again) == here


@pytest.mark.usefixtures("_kmnist")
def test_a_known_data_set_goes_into_the_cache(archive: DatasetArchive, cache: Path) -> None:
    assert datasets.install("kmnist", "abc", lambda: archive.files) == "kmnist"
    assert datasets.find("kmnist") == cache / "kmnist"
    assert datasets.install("kmnist", "abc", not_again) == "kmnist"


@pytest.mark.usefixtures("_kmnist")
def test_damaged_files_are_not_kept(archive: DatasetArchive) -> None:
    damaged = {name: content[:-20] for name, content in archive.files.items()}
    with pytest.raises(DataError):
        datasets.install("kmnist", "abc", lambda: damaged)
    assert datasets.find("kmnist") is None


def test_what_comes_with_sweep_is_not_sent() -> None:
    assert datasets.install("fashion-mnist-mini", "abc", not_again) == "fashion-mnist-mini"


def test_a_file_name_cannot_lead_out_of_the_cache(archive: DatasetArchive, cache: Path) -> None:
    led_astray = {f"../../{name}": content for name, content in archive.files.items()}
    here = datasets.install("./elsewhere", "abc", lambda: led_astray)
    assert Path(here).parent == cache
    assert not list(cache.parent.glob("*.gz"))


def test_other_content_or_another_name_is_another_digest(archive: DatasetArchive) -> None:
    files = archive.files
    name = next(iter(files))
    digests = {
        archive.digest,
        DatasetArchive(files={**files, name: b""}).digest,
        DatasetArchive(files={f"x{name}": files[name]}).digest,
    }
    assert len(digests) == 3
