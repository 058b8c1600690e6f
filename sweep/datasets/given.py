"""Accept images in a script's memory: numpy arrays, torch tensors, or torch data sets."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sweep.datasets.arrays import Array, as_bytes, source_of
from sweep.datasets.images import Images
from sweep.errors import DataError

_NAME = "data"


def images_given(data: Any) -> Images:
    """Build a data set from ``(train, test)``, or from images that are not divided.

    Each is an array or tensor of images, a pair of such images and their labels, or a torch
    ``Dataset`` whose items are images or pairs of an image and its label. Raises DataError for
    anything else, and for pixels that do not fit into bytes.
    """
    is_divided = isinstance(data, tuple) and len(data) == 2
    if isinstance(data, tuple) and not is_divided:
        raise DataError(f"{_NAME}: a tuple of {len(data)}; expected (train, test).")
    parts = {"train": data[0], "test": data[1]} if is_divided else {"train": data}
    arrays: dict[str, Array] = {}
    for part, given in parts.items():
        images, labels = _part(given, f"{_NAME}: {part}")
        arrays[part] = images
        if labels is not None:
            arrays[f"{part}_labels"] = labels
    return source_of(_NAME, arrays).images()


def _part(given: Any, what: str) -> tuple[Array, Array | None]:
    if isinstance(given, tuple) and len(given) == 2:
        return _array(given[0], what), _array(given[1], f"{what} labels")
    if hasattr(given, "__array__"):
        return _array(given, what), None
    is_text_or_mapping = isinstance(given, str | bytes | dict)
    if not is_text_or_mapping and hasattr(given, "__getitem__") and hasattr(given, "__len__"):
        return _items(given, what)
    raise DataError(
        f"{what}: a {type(given).__name__}; expected images in an array, a tensor or a torch "
        "Dataset."
    )


def _array(given: Any, what: str) -> Array:
    try:
        array = np.asarray(given.cpu() if hasattr(given, "cpu") else given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{what}: not an array of images of one size: {error}.") from error
    if array.dtype.kind == "O":
        raise DataError(
            f"{what}: an array of objects. `np.stack(list(x))` makes one of images of one size."
        )
    return array


def _items(dataset: Any, what: str) -> tuple[Array, Array | None]:
    """Collect images and labels of a torch ``Dataset``, item by item."""
    images, labels = [], []
    for place, item in enumerate(_each(dataset)):
        image, *label = item if isinstance(item, tuple | list) else (item,)
        if len(label) > 1:
            raise DataError(
                f"{what}: item {place} has {len(label) + 1} parts; expected an image, or an image "
                "and its label."
            )
        images.append(as_bytes(_array(image, f"{what}, item {place}"), f"{what}, item {place}"))
        labels += label
    shapes = sorted({image.shape for image in images})
    if len(shapes) != 1:
        raise DataError(f"{what}: items of {len(shapes)} shapes {shapes[:5]}; expected one.")
    if labels and len(labels) != len(images):
        raise DataError(f"{what}: {len(labels):,} labels for {len(images):,} images.")
    return np.stack(images), _array(labels, f"{what} labels") if labels else None


def _each(dataset: Any) -> Iterator[Any]:
    # Iteration over a data set that never raises IndexError would not end.
    for place in range(len(dataset)):
        yield dataset[place]
