"""Where data sets are looked for, and what is said when they are nowhere."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sweep import datasets
from sweep.datasets import State, library, places
from sweep.datasets.registry import SOURCES
from sweep.enums import Dataset
from sweep.errors import DataError, NoRoomError
from sweep.messages import ImageShape
from tests.support.factories import make_images, make_source, write_dataset


@pytest.fixture(autouse=True)
def roots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """An empty cache, an empty /usr/share/datasets, and kmnist as small as ``make_images``."""
    cache, debian = tmp_path / "cache", tmp_path / "debian"
    monkeypatch.setenv("SWEEP_DATA", str(cache))
    monkeypatch.setattr(places, "DEBIAN_ROOT", debian)
    monkeypatch.setitem(SOURCES, Dataset.KMNIST, make_source())
    return SimpleNamespace(cache=cache, debian=debian)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> Path:
        raise DataError("Name or service not known")

    monkeypatch.setattr(library, "download", unreachable)


def test_the_bundled_subset_is_whole_and_what_its_checksums_say() -> None:
    images = datasets.load("fashion-mnist-mini")
    assert images.train_images.shape == (6000, 784)
    assert images.test_images.shape == (1000, 784)
    assert set(images.train_labels) == set(range(10))
    assert images.shape == ImageShape(height=28, width=28)


def test_the_licence_lies_beside_the_bundled_subset() -> None:
    folder = datasets.find("fashion-mnist-mini")
    assert folder is not None
    assert "Copyright (c) 2017 Zalando SE" in (folder / "LICENSE").read_text()


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_folder_of_idx_files_is_a_data_set(tmp_path: Path, end: str) -> None:
    written = make_images()
    folder = write_dataset(tmp_path / "mine", written, end=end)
    images = datasets.load(str(folder))
    assert images.sha256 == written.sha256
    assert images.name == str(folder)
    assert datasets.find(str(folder)) == folder


def test_a_folder_that_lacks_a_file_is_told_which(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "mine")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte"):
        datasets.load(str(folder))


def test_prepare_checks_a_folder_where_it_is(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "mine")
    assert datasets.prepare(str(folder)) == folder
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte"):
        datasets.prepare(str(folder))


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match="Did you mean 'fashion-mnist'"):
        datasets.load("fashon-mnist")


def test_the_cache_comes_before_the_debian_package(roots: SimpleNamespace) -> None:
    write_dataset(roots.debian / "kmnist", make_images(seed=1))
    assert datasets.find("kmnist") == roots.debian / "kmnist"
    write_dataset(roots.cache / "kmnist", make_images(seed=2))
    assert datasets.find("kmnist") == roots.cache / "kmnist"
    assert datasets.load("kmnist").sha256 == make_images(seed=2).sha256


def test_what_is_found_nowhere_is_downloaded_into_the_cache(
    monkeypatch: pytest.MonkeyPatch, roots: SimpleNamespace
) -> None:
    monkeypatch.setattr(library, "download", lambda source, folder: write_dataset(folder / "raw"))
    assert datasets.load("kmnist").sha256 == make_images().sha256
    assert datasets.find("kmnist") == roots.cache / "kmnist"
    assert [path.name for path in roots.cache.iterdir()] == ["kmnist"], "nothing is left over"


@pytest.mark.usefixtures("no_network")
def test_without_network_the_three_ways_are_named() -> None:
    with pytest.raises(DataError) as raised:
        datasets.load("fashion-mnist")
    message = str(raised.value)
    assert "Name or service not known" in message
    assert "`sweep data prepare fashion-mnist`" in message
    assert "`sweep data prepare fashion-mnist --from DIR`" in message
    assert "dataset-fashion-mnist" in message


def test_a_damaged_copy_is_an_error_and_not_passed_over(roots: SimpleNamespace) -> None:
    write_dataset(roots.debian / "kmnist")
    folder = write_dataset(roots.cache / "kmnist", end="")
    images = folder / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(DataError, match="truncated"):
        datasets.load("kmnist")


def test_a_copy_with_another_checksum_is_refused(roots: SimpleNamespace) -> None:
    write_dataset(roots.cache / "fashion-mnist")
    with pytest.raises(DataError, match=r"not a file of fashion-mnist.*expected c59f468a"):
        datasets.load("fashion-mnist")


def test_one_data_set_under_the_name_of_another_is_recognised(roots: SimpleNamespace) -> None:
    mini = datasets.find("fashion-mnist-mini")
    assert mini is not None
    roots.cache.mkdir()
    (roots.cache / "kmnist").symlink_to(mini)
    with pytest.raises(DataError, match="this file belongs to fashion-mnist-mini"):
        datasets.load("kmnist")


def test_a_copy_of_another_size_is_refused(roots: SimpleNamespace) -> None:
    write_dataset(roots.cache / "kmnist", make_images(n_train=110))
    with pytest.raises(DataError, match="kmnist has 120 images here, found 110"):
        datasets.load("kmnist")


def test_prepare_copies_from_a_folder_and_replaces_what_is_there(
    roots: SimpleNamespace, tmp_path: Path
) -> None:
    for seed in (1, 2):
        folder = write_dataset(tmp_path / f"from-{seed}", make_images(seed=seed))
        lines: list[str] = []
        assert datasets.prepare("kmnist", folder, lines.append) == roots.cache / "kmnist"
        assert lines
        assert datasets.load("kmnist").sha256 == make_images(seed=seed).sha256


def test_prepare_takes_torchvisions_own_layout(tmp_path: Path) -> None:
    write_dataset(tmp_path / "root" / "KMNIST" / "raw")
    datasets.prepare("kmnist", tmp_path / "root")
    assert datasets.load("kmnist").sha256 == make_images().sha256


def test_prepare_leaves_the_cache_alone_when_the_files_are_bad(
    roots: SimpleNamespace, tmp_path: Path
) -> None:
    write_dataset(roots.cache / "kmnist")
    bad = write_dataset(tmp_path / "bad", make_images(n_train=50))
    with pytest.raises(DataError):
        datasets.prepare("kmnist", bad)
    assert datasets.load("kmnist").sha256 == make_images().sha256


def test_prepare_of_what_is_here_checks_it_and_downloads_nothing(roots: SimpleNamespace) -> None:
    write_dataset(roots.debian / "kmnist")
    assert datasets.prepare("kmnist") == roots.debian / "kmnist"


def test_prepare_into_a_place_that_takes_no_folders_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def read_only(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    folder = write_dataset(tmp_path / "from")
    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(NoRoomError, match="SWEEP_DATA"):
        datasets.prepare("kmnist", folder)


def test_emnist_is_found_under_its_own_file_names(
    monkeypatch: pytest.MonkeyPatch, roots: SimpleNamespace
) -> None:
    names = SOURCES[Dataset.EMNIST_DIGITS].names
    write_dataset(roots.cache / "emnist-digits", names=names)
    assert datasets.find("emnist-digits") == roots.cache / "emnist-digits"


def test_the_list_tells_state_size_and_licence(roots: SimpleNamespace) -> None:
    write_dataset(roots.cache / "kmnist")
    states = {status.name: status for status in datasets.list_known()}
    assert set(states) == set(Dataset)
    assert states["fashion-mnist-mini"].state is State.BUNDLED
    assert states["kmnist"].state is State.CACHED
    assert states["mnist"].state is State.ABSENT
    assert states["mnist"].path is None
    assert all(status.license and status.description for status in states.values())


@pytest.mark.parametrize("name", list(Dataset))
def test_every_data_set_says_what_its_labels_mean(name: Dataset) -> None:
    assert len(datasets.class_names(name)) == 10


def test_a_download_asks_torchvision_for_the_right_class(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[tuple[object, ...]] = []

    def emnist(root: str, *, download: bool, split: str) -> SimpleNamespace:
        calls.append((root, download, split))
        return SimpleNamespace(raw_folder=str(Path(root) / "EMNIST" / "raw"))

    monkeypatch.setitem(sys.modules, "torchvision.datasets", SimpleNamespace(EMNIST=emnist))
    raw = library.download(SOURCES[Dataset.EMNIST_DIGITS], tmp_path)
    assert raw == tmp_path / "EMNIST" / "raw"
    assert calls == [(str(tmp_path), True, "digits")]


def test_a_failed_download_is_a_data_error_with_the_last_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def mnist(root: str, *, download: bool) -> None:
        raise RuntimeError("Error downloading x:\nTried http://a, got:\nno route to host")

    monkeypatch.setitem(sys.modules, "torchvision.datasets", SimpleNamespace(MNIST=mnist))
    with pytest.raises(DataError, match="^no route to host$"):
        library.download(SOURCES[Dataset.MNIST], tmp_path)


def test_pixels_are_read_in_the_order_of_the_file() -> None:
    images = datasets.load("fashion-mnist-mini")
    # The first training image is an ankle boot: dark top, and its sole at the bottom.
    boot = images.train_images[0].reshape(28, 28)
    assert images.train_labels[0] == 9
    assert np.all(boot[:3] == 0)
    assert boot[-8:-3].mean() > 100


@pytest.mark.parametrize("module", ["sweep.datasets", "sweep.analysis.floors"])
def test_reading_data_loads_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
