"""Convert users' arrays of pixels and labels to bytes, or reject them.

Notation: N images of height x width pixels and C channels.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.datasets.images import Images, Labels
from sweep.errors import DataError
from sweep.messages import ImageShape

Array = NDArray[Any]

#: Labels are bytes.
MOST_CLASSES = 256
#: Limit on a class name, in letters.
LONGEST_NAME = 200
#: Share of the images that become test images if a data set names none, drawn by a fixed seed.
TEST_SHARE = 0.2
_SPLIT_SEED = 0
#: Numbers converted at a time.
_CHUNK = 1 << 24
#: One image to train on, one to validate on and one to test on.
_LEAST_IMAGES = 3
_AS_BYTES = "`(255 * (x - x.min()) / (x.max() - x.min())).round().astype('uint8')`"


class RawPart(NamedTuple):
    """Images (N, D) of a data set's part, and their labels as given."""

    images: NDArray[np.uint8]
    labels: Array | None


@dataclass(frozen=True, kw_only=True)
class RawImages:
    """Images read from files or given as arrays, before they become a data set."""

    #: As given; also for messages.
    name: str
    shape: ImageShape
    train: RawPart
    #: None if the source has no test images.
    test: RawPart | None
    #: Names by label, for integer labels.
    label_names: Mapping[int, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def images(self) -> Images:
        """Build the data set; hold training images out for tests if there are no test images."""
        train, test = (self.train, self.test) if self.test is not None else self._divide()
        if len(train.images) < _LEAST_IMAGES - 1 or not len(test.images):
            raise DataError(
                f"{self.name}: {_count(len(train.images))} for training and "
                f"{_count(len(test.images))} for tests; at least 2 (some are for validation) and 1 "
                "are needed."
            )
        labels, unused = _labels_of(train, test, self.name)
        given = {**labels.names, **self.label_names} if labels.are_numbers else labels.names
        return Images(
            name=self.name,
            train_images=train.images,
            train_labels=labels.train,
            test_images=test.images,
            test_labels=labels.test,
            shape=self.shape,
            label_names=given,
            unused=(*self.unused, *unused),
        )

    def _divide(self) -> tuple[RawPart, RawPart]:
        images, labels = self.train
        n = len(images)
        if n < _LEAST_IMAGES:
            raise DataError(
                f"{self.name}: {_count(n)}; at least {_LEAST_IMAGES} are needed, to train on, to "
                "validate on and to test on."
            )
        rows = np.random.Generator(np.random.PCG64(_SPLIT_SEED)).permutation(n)
        n_test = max(1, round(TEST_SHARE * n))
        test, train = np.sort(rows[:n_test]), np.sort(rows[n_test:])
        if labels is None:
            return RawPart(images[train], None), RawPart(images[test], None)
        labels = _check_labels(labels, n, self.name)
        return RawPart(images[train], labels[train]), RawPart(images[test], labels[test])


class _Labels(NamedTuple):
    train: Labels | None
    test: Labels | None
    #: The names of the labels, if they have names.
    names: dict[int, str]
    are_numbers: bool = True


def _labels_of(train: RawPart, test: RawPart, name: str) -> tuple[_Labels, tuple[str, ...]]:
    """Convert labels to bytes; also return remarks about labels that are not used."""
    if train.labels is None and test.labels is None:
        return _Labels(None, None, {}), ()
    checked = [
        None if labels is None else _check_labels(labels, len(images), name)
        for images, labels in (train, test)
    ]
    if checked[0] is None or checked[1] is None:
        which = "training" if test.labels is None else "test"
        return _Labels(None, None, {}), (f"labels: only the {which} images have some",)
    both = np.concatenate([checked[0], checked[1]])
    classes, places = np.unique(both, return_inverse=True)
    if len(classes) > MOST_CLASSES:
        said = f"labels: {len(classes):,} classes, more than {MOST_CLASSES}"
        return _Labels(None, None, {}), (said,)
    are_numbers = classes.dtype.kind in "iu"
    as_they_are = are_numbers and classes[0] >= 0 and classes[-1] < MOST_CLASSES
    found = (both if as_they_are else places).astype(np.uint8)
    n = len(train.images)
    names = {} if as_they_are else {place: str(one) for place, one in enumerate(classes)}
    return _Labels(found[:n], found[n:], names, as_they_are), ()


def _check_labels(labels: Array, n: int, name: str) -> Array:
    """Return labels (N,), integers or texts."""
    labels = labels.reshape(-1) if labels.shape == (n, 1) else labels
    if labels.ndim == 2:
        raise DataError(
            f"{name}: labels of shape {labels.shape}: expected one label an image, shape ({n:,},). "
            "Of one-hot rows, `y.argmax(axis=1)` is the label."
        )
    if labels.shape != (n,):
        raise DataError(
            f"{name}: labels of shape {labels.shape} for {n:,} images: expected shape ({n:,},)."
        )
    if (
        labels.dtype.kind in "SU"
        and n
        and (longest := np.char.str_len(labels).max()) > LONGEST_NAME
    ):
        raise DataError(
            f"{name}: a label of {longest:,} letters; the limit is {LONGEST_NAME}. Is it a label?"
        )
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind == "b":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == labels.round()).all():
        return labels.astype(np.int64)
    if labels.dtype.kind not in "iuU":
        raise DataError(
            f"{name}: labels of type {labels.dtype}: expected whole numbers or texts, such as "
            "`y.astype('int64')`."
        )
    return labels


def image_shape(shape: tuple[int, ...], what: str) -> tuple[ImageShape, bool]:
    """Return the shape of an array's images, and whether its channels come before the pixels.

    The array is (N, height, width), with a last or second axis of 1 or 3 channels, or (N, D) with a
    square D: square grey images. Raises DataError for any other shape.
    """
    side = math.isqrt(shape[1]) if len(shape) == 2 else 0
    if len(shape) == 2 and side > 0 and side * side == shape[1]:
        return ImageShape(height=side, width=side), False
    if len(shape) == 3 and 0 not in shape[1:]:
        return ImageShape(height=shape[1], width=shape[2]), False
    if len(shape) == 4 and 0 not in shape[1:]:
        if shape[3] in (1, 3):
            return ImageShape(height=shape[1], width=shape[2], channels=shape[3]), False
        if shape[1] in (1, 3):
            return ImageShape(height=shape[2], width=shape[3], channels=shape[1]), True
    hint = (
        "`x[..., :3]` removes the transparency."
        if len(shape) == 4 and 4 in (shape[1], shape[3])
        else "`x.reshape(-1, height, width)` restores the images' shape."
        if len(shape) == 2
        else "Grey images may also be rows of height x width numbers, where these are equal."
    )
    raise DataError(
        f"{what}: shape {shape} is not an array of images: expected (count, height, width), "
        f"(count, height, width, 3) or (count, 3, height, width). {hint}"
    )


def as_bytes(array: Array, what: str) -> NDArray[np.uint8]:
    """Convert pixels to unsigned bytes of the same shape. Raises DataError unless they are 255ths.

    Bytes stay unchanged, integers are accepted from 0 to 255, floats from 0 to 1 if they are
    multiples of 1/255, and booleans as black and white.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "b":
        return np.where(array, np.uint8(255), np.uint8(0))
    if array.dtype.kind not in "iuf":
        raise DataError(
            f"{what}: pixels of type {array.dtype}; expected unsigned bytes, or floats from 0 to 1."
        )
    flat = array.reshape(-1)
    pixels = np.empty(flat.shape, np.uint8)
    convert = _whole if array.dtype.kind in "iu" else _of_floats
    for start in range(0, len(flat), _CHUNK):
        pixels[start : start + _CHUNK] = convert(flat[start : start + _CHUNK], array, what)
    return pixels.reshape(array.shape)


def _whole(chunk: Array, array: Array, what: str) -> Array:
    if chunk.min() < 0 or chunk.max() > 255:
        raise DataError(
            f"{what}: whole numbers from {array.min()} to {array.max()}; pixels are 0 to 255. "
            f"{_AS_BYTES} rescales them."
        )
    return chunk.astype(np.uint8)


def _of_floats(chunk: Array, array: Array, what: str) -> Array:
    values = chunk.astype(np.float64)
    if not np.isfinite(values).all():
        n = int(np.count_nonzero(~np.isfinite(array)))
        raise DataError(
            f"{what}: {n:,} of its {array.size:,} numbers are not finite (NaN or infinite). "
            "`np.nan_to_num(x)` replaces them by 0."
        )
    values *= 255.0
    pixels = values.round()
    # For numbers up to 1, half precision has 11 bits: a 255th has an error of up to an eighth of
    # itself.
    precision = max(1e-3, 255.0 * float(np.finfo(array.dtype).eps))
    if values.min() < -precision or values.max() > 255.0 + precision:
        raise DataError(_beyond(array, what))
    if np.abs(values - pixels).max() > precision:
        raise DataError(
            f"{what}: floats that are not whole 255ths. sweep keeps pixels as unsigned bytes: "
            "`(255 * x).round().astype('uint8')` rounds them (each changes by at most 1/510)."
        )
    return pixels


def _beyond(array: Array, what: str) -> str:
    low, high = float(array.min()), float(array.max())
    said = f"{what}: floats from {low:g} to {high:g}; expected 0 to 1."
    whole = all(
        (chunk == chunk.round()).all()
        for chunk in np.array_split(array.reshape(-1), 1 + array.size // _CHUNK)
    )
    if whole and low >= 0.0 and high <= 255.0:
        return f"{said} If 255 is white, `x.astype('uint8')`; else {_AS_BYTES}."
    return f"{said} {_AS_BYTES} rescales them."


def flatten_images(
    array: Array, what: str, resize: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None
) -> tuple[NDArray[np.uint8], ImageShape]:
    """Convert images of any shape that ``image_shape`` accepts to bytes (N, D), and their shape.

    ``resize`` maps bytes (N, height, width) or (N, height, width, 3) to those of another size.
    """
    shape, channels_first = image_shape(array.shape, what)
    pixels = as_bytes(array, what)
    if channels_first and shape.channels > 1:
        pixels = pixels.transpose(0, 2, 3, 1)
    pixels = pixels.reshape(-1, *shape.array_shape)
    if resize is not None and len(pixels):
        pixels = resize(pixels)
        shape = ImageShape(height=pixels.shape[1], width=pixels.shape[2], channels=shape.channels)
    return np.ascontiguousarray(pixels).reshape(len(pixels), shape.n_inputs), shape


def resize_images(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize images (N, height, width) or (N, height, width, 3) to ``size``, (height, width)."""
    from PIL import Image  # only needed for resizing

    if pixels.shape[1:3] == size:
        return pixels
    height, width = size
    made = np.empty((len(pixels), height, width, *pixels.shape[3:]), np.uint8)
    for place, image in enumerate(pixels):
        made[place] = np.asarray(Image.fromarray(image).resize((width, height)))
    return made


def source_of(
    name: str,
    arrays: Mapping[str, Array],
    *,
    size: tuple[int, int] | None = None,
    unused: tuple[str, ...] = (),
) -> RawImages:
    """Build a data set's source from arrays: ``train``, and optionally ``test`` and labels.

    ``arrays`` has ``train`` and perhaps ``test``, ``train_labels``, ``test_labels`` and
    ``class_names``.
    """
    resize = None if size is None else lambda pixels: resize_images(pixels, size)
    train, shape = flatten_images(arrays["train"], f"{name}: training images", resize)
    test = None
    if "test" in arrays:
        test_images, test_shape = flatten_images(arrays["test"], f"{name}: test images", resize)
        if test_shape != shape:
            raise DataError(
                f"{name}: test images are {test_shape}, but training images are {shape}. "
                "`data.size = [HEIGHT, WIDTH]` resizes all of them."
                if test_shape.channels == shape.channels
                else f"{name}: test images are {test_shape}, but training images are {shape}: "
                "convert both to grey or both to RGB."
            )
        test = RawPart(test_images, arrays.get("test_labels"))
    return RawImages(
        name=name,
        shape=shape,
        train=RawPart(train, arrays.get("train_labels")),
        test=test,
        label_names=_names(arrays.get("class_names"), name),
        unused=unused,
    )


def _names(array: Array | None, name: str) -> dict[int, str]:
    """Return names by label, from an array that lists them in the order of the labels."""
    if array is None:
        return {}
    if array.ndim != 1 or array.dtype.kind != "U" or len(array) > MOST_CLASSES:
        raise DataError(
            f"{name}: names of classes of shape {array.shape} and type {array.dtype}: expected at "
            f"most {MOST_CLASSES} texts, one a label."
        )
    return {label: str(text)[:LONGEST_NAME] for label, text in enumerate(array) if text}


def _count(n: int) -> str:
    return f"{n:,} image" if n == 1 else f"{n:,} images"
