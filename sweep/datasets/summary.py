"""Summarise a data set before anything is trained on it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.datasets.images import Images, Labels
from sweep.messages import ImageShape


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """Numbers of images of a class."""

    name: str
    n_train: int
    n_test: int


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """What `sweep data check` reports about a data set."""

    shape: ImageShape
    n_train: int
    n_test: int
    sha256: str
    #: Lowest and highest of all pixels, and the mean, as 8-bit values.
    lowest: int
    highest: int
    mean: float
    #: Empty without labels.
    classes: tuple[ClassCount, ...]
    #: Test images with an exact copy among the training images.
    n_test_in_train: int
    #: Images of a single colour.
    n_blank: int
    #: Unused content of the source, and possible mistakes.
    remarks: tuple[str, ...]


def summarise(images: Images) -> DatasetSummary:
    """Compute the summary, which reads every pixel once."""
    parts = (images.train_images, images.test_images)
    lowest, highest = min(int(part.min()) for part in parts), max(int(part.max()) for part in parts)
    n = sum(part.size for part in parts)
    classes = tuple(_classes(images))
    return DatasetSummary(
        shape=images.shape,
        n_train=len(images.train_images),
        n_test=len(images.test_images),
        sha256=images.sha256,
        lowest=lowest,
        highest=highest,
        mean=sum(int(part.sum(dtype=np.int64)) for part in parts) / n,
        classes=classes,
        n_test_in_train=_n_in_train(*parts),
        n_blank=sum(_n_blank(images, part) for part in parts),
        remarks=(*images.unused, *_doubts(images, highest, classes)),
    )


def _classes(images: Images) -> Iterator[ClassCount]:
    if images.train_labels is None or images.test_labels is None:
        return
    train, test = (_counts(labels) for labels in (images.train_labels, images.test_labels))
    for label in sorted({*train, *test}):
        yield ClassCount(
            name=images.label_names.get(label, str(label)),
            n_train=train.get(label, 0),
            n_test=test.get(label, 0),
        )


def _counts(labels: Labels) -> dict[int, int]:
    classes, counts = np.unique(labels, return_counts=True)
    return dict(zip(classes.tolist(), counts.tolist(), strict=True))


def _n_in_train(train: NDArray[np.uint8], test: NDArray[np.uint8]) -> int:
    test_rows = [row.tobytes() for row in test]
    wanted = set(test_rows)
    found = {content for row in train if (content := row.tobytes()) in wanted}
    return sum(row in found for row in test_rows)


def _n_blank(images: Images, part: NDArray[np.uint8]) -> int:
    pixels = part.reshape(len(part), -1, images.shape.channels)
    return int((pixels == pixels[:, :1]).all(axis=(1, 2)).sum())


def _doubts(images: Images, highest: int, classes: tuple[ClassCount, ...]) -> Iterator[str]:
    if highest == 0:
        yield "every pixel is 0: all images are black"
    elif highest == 1:
        yield "no pixel is brighter than 1 of 255: if 1 is white, multiply by 255"
    if images.shape.channels == 3 and _is_grey(images):
        yield "red, green and blue are equal everywhere: grey images would train 3 times as fast"
    if lacking := [of.name for of in classes if not of.n_test or not of.n_train]:
        yield f"classes without training or without test images: {', '.join(lacking[:10])}"


def _is_grey(images: Images) -> bool:
    return all(
        bool((pixels == pixels[..., :1]).all())
        for part in (images.train_images, images.test_images)
        for pixels in (images.unflatten(part),)
    )
