"""Copies of users' images, which workers read."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from sweep import datasets
from sweep.datasets import copies
from sweep.errors import DataError, NoRoomError
from sweep.messages import ImageShape
from tests.support.factories import make_images, write_dataset
from tests.support.picture_folders import fill, paint


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SWEEP_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_copy_holds_the_same_images_labels_names_and_digest(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        fill(tmp_path / "mine" / name, mode="RGB")
    images = datasets.load(str(tmp_path / "mine"))
    copy = datasets.load(str(copies.write_copy(images)))
    assert copy.sha256 == images.sha256
    assert copy.info == images.info
    assert copy.info.shape == ImageShape(height=3, width=4, channels=3)
    assert copy.class_names == ("cats", "dogs")


def test_what_a_worker_reads_as_fast_is_not_copied(tmp_path: Path, cache: Path) -> None:
    folder = write_dataset(tmp_path / "idx")
    np.savez(tmp_path / "x.npz", x=np.zeros((9, 2, 2), np.uint8))
    for name in ("fashion-mnist-mini", str(folder), str(tmp_path / "x.npz")):
        assert datasets.for_workers(name, None) == name
    assert not cache.exists()


@pytest.mark.parametrize("size", [None, (2, 2)])
def test_pictures_and_what_is_resized_are_copied_once(
    tmp_path: Path, cache: Path, size: tuple[int, int] | None
) -> None:
    name = str(fill(tmp_path / "mine"))
    copy = datasets.for_workers(name, size)
    written = Path(copy).stat()
    assert datasets.load(copy).sha256 == datasets.load(name, size).sha256
    assert datasets.for_workers(name, size) == copy
    assert Path(copy).stat() == written
    assert [path.name for path in cache.rglob("*.npz")] == [Path(copy).name]


def test_a_folder_that_has_changed_gets_another_copy(tmp_path: Path) -> None:
    name = str(fill(tmp_path / "mine"))
    first = datasets.for_workers(name, None)
    paint(tmp_path / "mine" / "new.png", 99)
    assert datasets.for_workers(name, None) != first


def test_a_folder_whose_classes_are_renamed_gets_another_copy(tmp_path: Path) -> None:
    for name in ("0", "1"):
        fill(tmp_path / "mine" / name)
    datasets.for_workers(str(tmp_path / "mine"), None)
    (tmp_path / "mine" / "1").rename(tmp_path / "mine" / "bee")
    copy = datasets.for_workers(str(tmp_path / "mine"), None)
    assert datasets.load(copy).class_names == ("0", "bee")


def given(*shape: int) -> datasets.Images:
    return datasets.images_given(np.arange(math.prod(shape), dtype=np.uint8).reshape(shape))


def test_equal_bytes_of_another_shape_are_another_copy() -> None:
    high, wide = given(15, 8, 2), given(15, 4, 4)
    assert high.sha256 == wide.sha256
    for images in (high, wide):
        copy = str(copies.write_copy(images))
        assert datasets.load(copy).shape == images.shape
    # A study of given images has the path of their copy as the name of its data.
    by_path = str(copies.write_copy(high))
    os.utime(by_path, (0, 0))
    assert datasets.load_again(by_path, None, high.sha256).shape == high.shape
    assert datasets.load_again("./elsewhere", None, high.sha256).shape == wide.shape


def test_a_copy_is_found_by_its_digest_when_the_folder_is_gone(tmp_path: Path) -> None:
    folder = fill(tmp_path / "mine")
    images = datasets.load(str(folder))
    with pytest.raises(DataError, match="Restore them, or give their present path"):
        datasets.load_again("./elsewhere", None, images.sha256)
    copies.write_copy(images)
    assert datasets.load_again("./elsewhere", None, images.sha256).sha256 == images.sha256


def test_a_copy_that_was_changed_is_not_taken_for_the_images(tmp_path: Path) -> None:
    images = datasets.load(str(fill(tmp_path / "mine")))
    copy = copies.write_copy(images)
    np.savez(copy, x=np.zeros((9, 2, 2), np.uint8))
    with pytest.raises(DataError, match="this copy was changed"):
        datasets.load_again(str(tmp_path / "mine"), None, images.sha256)


def test_a_full_disk_leaves_no_half_of_a_copy(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies.npy, "write_array", full)
    with pytest.raises(NoRoomError, match="SWEEP_DATA"):
        copies.write_copy(make_images())
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_folder_of_idx_files_needs_no_labels(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "idx")
    for part in ("train", "t10k"):
        (folder / f"{part}-labels-idx1-ubyte.gz").unlink()
    images = datasets.load(str(folder))
    assert images.train_labels is None and images.test_labels is None
    assert datasets.find(str(folder)) == folder


def test_a_copy_travels_to_another_host(tmp_path: Path, cache: Path) -> None:
    images = datasets.load(str(fill(tmp_path / "mine")))
    path = copies.write_copy(images)
    archive = datasets.DatasetArchive.pack(str(path))
    path.unlink()
    there = datasets.install(str(path), archive.digest, lambda: archive.files)
    assert Path(there).is_relative_to(cache) and there != str(path)
    assert datasets.load(there).sha256 == images.sha256
