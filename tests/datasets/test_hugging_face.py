"""Data sets that Hugging Face's package saved, with a package that pretends to have read them."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from sweep.datasets import load
from sweep.errors import DataError
from sweep.messages import ImageShape

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 5, 4, 3), np.uint8)


class Image:
    """The feature of a column of images, as the package calls it."""

    def __init__(self, decode: bool = True) -> None:
        self.decode = decode


class ClassLabel:
    """The feature of labels with names."""

    names = ("ant", "bee", "cat")


class Array2D:
    """The feature of arrays."""


class Split:
    """Rows by column; images are what the package gives for those that are not decoded."""

    def __init__(self, features: dict[str, Any], columns: dict[str, list[Any]]) -> None:
        self.features, self.columns = features, columns

    def cast_column(self, name: str, feature: Image) -> "Split":
        assert not feature.decode, "Pillow would open any format, and any path"
        return self

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.columns[key]
        return {name: column[key] for name, column in self.columns.items()}


def images(n: int) -> Split:
    rows = [{"bytes": _png(pixels), "path": None} for pixels in PIXELS[:n]]
    labels = [row % 3 for row in range(n)]
    return Split({"img": Image(), "label": ClassLabel()}, {"img": rows, "label": labels})


def _png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def save_dataset(monkeypatch: pytest.MonkeyPatch, folder: Path, content: Any) -> str:
    """A folder in which the package finds this."""
    (folder / "state.json").write_text("{}")
    package = SimpleNamespace(load_from_disk=lambda path: content, Image=Image)
    monkeypatch.setitem(sys.modules, "datasets", package)
    return str(folder)


def test_splits_images_and_names_of_classes_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    splits = {"train": images(12), "validation": images(3), "test": images(5)}
    found = load(save_dataset(monkeypatch, tmp_path, splits))
    assert found.shape == ImageShape(height=5, width=4, channels=3)
    assert found.class_names == ("ant", "bee", "cat")
    assert np.array_equal(found.train_images, PIXELS.reshape(12, 60))
    assert len(found.test_images) == 5 and found.unused == ("split validation",)


def test_a_single_split_is_divided_and_resized(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = load(save_dataset(monkeypatch, tmp_path, images(10)), (2, 2))
    assert (len(found.train_images), len(found.test_images)) == (8, 2)
    assert found.n_inputs == 12


def test_arrays_are_images_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    split = Split({"x": Array2D()}, {"x": PIXELS[..., 0].tolist()})
    found = load(save_dataset(monkeypatch, tmp_path, split))
    assert found.shape == ImageShape(height=5, width=4) and found.train_labels is None


def test_a_path_in_the_place_of_an_image_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Pillow.fromarray(PIXELS[0]).save(tmp_path / "secret.png")
    rows = [{"bytes": None, "path": str(tmp_path / "secret.png")}] * 4
    with pytest.raises(DataError, match="row 0: contains no image itself"):
        load(save_dataset(monkeypatch, tmp_path, Split({"img": Image()}, {"img": rows})))


def test_two_columns_of_images_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    split = Split({"one": Image(), "other": Image()}, {"one": [], "other": []})
    with pytest.raises(DataError, match="expected one column of images, found 2"):
        load(save_dataset(monkeypatch, tmp_path, split))


def test_images_of_several_sizes_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    split = images(4)
    split.columns["img"][1] = {"bytes": _png(PIXELS[0, :3]), "path": None}
    with pytest.raises(DataError, match=r"images of 2 sizes \(3 x 4, 5 x 4 …\)"):
        load(save_dataset(monkeypatch, tmp_path, split))


def test_without_the_package_the_command_that_installs_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = save_dataset(monkeypatch, tmp_path, None)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'sweep-autoencoder\[datasets\]'"):
        load(path)
