"""Read a Hugging Face data set from disk, as ``save_to_disk`` writes it.

Images are read as the encoded bytes in the files, and decoded like a folder's: a path in such a
file is not followed.
"""

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sweep.datasets.arrays import Array, RawImages, RawPart, flatten_images, resize_images
from sweep.datasets.idx import LARGEST_BYTES
from sweep.errors import DataError
from sweep.messages import ImageShape

_TEST_SPLITS = ("test", "validation", "valid", "val")
_LABELS = ("label", "labels", "fine_label", "target", "class")
_ROWS = 1_000


def is_saved_dataset(folder: Path) -> bool:
    """Tell whether ``save_to_disk`` wrote the folder."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


def read_hugging_face(folder: Path, name: str, size: tuple[int, int] | None = None) -> RawImages:
    """Read the splits of a saved data set. Raises DataError, also if the package is missing."""
    library = _library()
    try:
        loaded = library.load_from_disk(str(folder))
    except Exception as error:  # the package documents none
        raise DataError(f"{folder}: cannot be read: {type(error).__name__}: {error}") from error
    splits: Mapping[str, Any] = loaded if hasattr(loaded, "keys") else {"train": loaded}
    train = "train" if "train" in splits else next(iter(splits))
    test = next((split for split in _TEST_SPLITS if split in splits and split != train), None)
    column, labels, names = _columns(splits[train].features, folder)
    parts, shapes = [], []
    for split in (train, test):
        if split is not None:
            images, shape = _images(splits[split], column, f"{name}: {split}", size)
            given = None if labels is None else np.array(splits[split][labels])
            parts.append(RawPart(images, given))
            shapes.append(shape)
    if len({*shapes}) > 1:
        raise DataError(f"{name}: test images are {shapes[1]}, but training images {shapes[0]}.")
    left = [split for split in splits if split not in (train, test)]
    return RawImages(
        name=name,
        shape=shapes[0],
        train=parts[0],
        test=parts[1] if test is not None else None,
        label_names=dict(enumerate(names)),
        unused=tuple(f"split {split}" for split in left),
    )


def _library() -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise DataError(
            "a data set of Hugging Face's needs their package: "
            f"`pip install 'sweep-autoencoder[datasets]'` ({error})."
        ) from error


def _columns(features: Mapping[str, Any], folder: Path) -> tuple[str, str | None, list[str]]:
    """Return the names of the columns of images and of labels, and of the classes."""
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    images = [name for name, kind in kinds.items() if kind == "Image"] or [
        name for name, kind in kinds.items() if kind in ("Array2D", "Array3D", "List", "Sequence")
    ]
    if len(images) != 1:
        raise DataError(
            f"{folder}: expected one column of images, found {len(images)} among "
            f"{', '.join(kinds)}. `dataset.select_columns(...)` selects one."
        )
    classes = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    named = [name for name in _LABELS if name in kinds]
    labels = next(iter([*[name for name in named if name in classes], *classes, *named]), None)
    names = list(features[labels].names) if labels in classes else []
    return images[0], labels, names


def _images(
    split: Any, column: str, what: str, size: tuple[int, int] | None
) -> tuple[Any, ImageShape]:
    is_encoded = type(split.features[column]).__name__ == "Image"
    if is_encoded:
        # Not decoded by the package, which opens any format and path that a row names.
        split = split.cast_column(column, importlib.import_module("datasets").Image(decode=False))
        return _decode(split, column, what, size)
    rows = np.concatenate([np.asarray(chunk) for chunk in _chunks(split, column)])
    resize = None if size is None else lambda pixels: resize_images(pixels, size)
    return flatten_images(rows, what, resize)


def _chunks(split: Any, column: str) -> Iterator[Any]:
    for start in range(0, len(split), _ROWS):
        yield split[start : start + _ROWS][column]


def _decode(
    split: Any, column: str, what: str, size: tuple[int, int] | None
) -> tuple[Array, ImageShape]:
    from sweep.datasets.picture_folder import Decoded, decode, stack_images

    images: list[Decoded] = []
    total = 0
    for chunk in _chunks(split, column):
        for row in chunk:
            place = f"{what}, row {len(images)}"
            if not row or row.get("bytes") is None:
                raise DataError(
                    f"{place}: contains no image itself. Save it with the images embedded: "
                    "`dataset.map(lambda row: row).save_to_disk(...)`."
                )
            images.append(decode(row["bytes"], place, size))
            total += images[-1].pixels.nbytes
            if total > LARGEST_BYTES:
                raise DataError(f"{what}: its images take more than {LARGEST_BYTES:,} bytes.")
    sizes = {(image.shape.height, image.shape.width) for image in images}
    if len(sizes) > 1:
        listed = ", ".join(f"{height} x {width}" for height, width in sorted(sizes)[:5])
        raise DataError(
            f"{what}: images of {len(sizes):,} sizes ({listed} …). "
            "`data.size = [HEIGHT, WIDTH]` resizes all of them."
        )
    if not images:
        raise DataError(f"{what}: no images.")
    (height, width) = sizes.pop()
    channels = max(image.shape.channels for image in images)
    shape = ImageShape(height=height, width=width, channels=channels)
    return stack_images(images, shape), shape
