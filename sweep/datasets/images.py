"""Hold a data set in memory, and split it.

Notation: N images of D numbers: height x width pixels, row by row, of one channel (grey) or three.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from shlex import quote

import numpy as np
from numpy.typing import NDArray

from sweep.datasets.idx import parse_idx, read_bytes
from sweep.datasets.registry import Files, Source, owner_of
from sweep.errors import DataError
from sweep.messages import DatasetInfo, ImageShape

#: A class for each image.
Labels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Grey or RGB images as unsigned bytes (0 is black), all with a label or all without."""

    #: A name of ``enums.Dataset``, or the path as given.
    name: str
    #: (N, D), and (N,) or None; either all images have labels or none.
    train_images: NDArray[np.uint8]
    train_labels: Labels | None
    test_images: NDArray[np.uint8]
    test_labels: Labels | None
    shape: ImageShape
    #: The name of each label; empty if unknown.
    label_names: Mapping[int, str] = field(default_factory=dict)
    #: Unused content of the source, for messages.
    unused: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Return the digest of train images and labels, then test images and labels."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @property
    def n_inputs(self) -> int:
        """D, the numbers of a flattened image."""
        return self.shape.n_inputs

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that occur among the test images, in the order of their labels."""
        if self.test_labels is None or not self.label_names:
            return ()
        labels = map(int, np.unique(self.test_labels))
        return tuple(self.label_names.get(label, str(label)) for label in labels)

    @property
    def info(self) -> DatasetInfo:
        """The description of the data set, without pixels."""
        return DatasetInfo(
            sha256=self.sha256,
            shape=self.shape,
            n_train=len(self.train_images),
            n_test=len(self.test_images),
            class_names=self.class_names,
        )

    def unflatten(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Reshape images (N, D) to (N, height, width), or (N, height, width, 3) in colour."""
        return images.reshape(-1, *self.shape.array_shape)

    def split(
        self, fraction: float, seed: int, train_limit: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows to train on and rows to validate on, drawn from the training images.

        The split never changes: numpy's PCG64 permutation, validation rows first. ``train_limit``
        cuts only the training rows, so that studies of different sizes validate on the same images.
        """
        n = len(self.train_images)
        n_kept = n_validation(n, fraction)
        if not 0 < n_kept < n:
            raise DataError(
                f"{self.name}: a validation fraction of {fraction} of {n:,} training images leaves"
                f" {n_kept:,} to validate on and {n - n_kept:,} to train on;"
                " both must be at least 1."
            )
        rows = np.random.Generator(np.random.PCG64(seed)).permutation(n)
        train_rows = rows[n_kept:]
        return train_rows[:train_limit], rows[:n_kept]


def data_key(sha256: str, fraction: float, seed: int, train_limit: int | None = None) -> str:
    """Return the key that what follows from data alone is stored under: checksum and split."""
    return f"{sha256}:{fraction!r}:{seed}:{'all' if train_limit is None else train_limit}"


def n_validation(n_train: int, fraction: float) -> int:
    """Return the number of training images that are held out for validation."""
    return round(fraction * n_train)


def read_images(name: str, files: Files, source: Source | None = None) -> Images:
    """Read the files of a data set, and check that they belong together.

    With a ``source``, also check that they are the files of that data set.
    """
    train_images, train_labels, test_images, test_labels = (
        None if path is None else _read(path, name, source, part) for part, path in enumerate(files)
    )
    assert train_images is not None and test_images is not None
    _check_pair(files.train_images, train_images, files.train_labels, train_labels)
    _check_pair(files.test_images, test_images, files.test_labels, test_labels)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{files.test_images}: test images are {_size(test_images)} pixels, but the training"
            f" images in {files.train_images.name} are {_size(train_images)}."
        )
    if source is not None:
        _check_counts(name, files, source, len(train_images), len(test_images))
    height, width = train_images.shape[1:]
    return Images(
        name=name,
        train_images=train_images.reshape(len(train_images), -1),
        train_labels=train_labels,
        test_images=test_images.reshape(len(test_images), -1),
        test_labels=test_labels,
        shape=ImageShape(height=height, width=width),
        label_names={} if source is None else dict(enumerate(source.classes)),
    )


def _read(path: Path, name: str, source: Source | None, part: int) -> NDArray[np.uint8]:
    content = read_bytes(path)
    array = parse_idx(content, path)
    if source is not None:
        _check_sha256(path, hashlib.sha256(content).hexdigest(), name, source, part)
    return array


def _check_sha256(path: Path, found: str, name: str, source: Source, part: int) -> None:
    """Check against the pinned checksum; if none is known, against those of other data sets."""
    owner = owner_of(found)
    if owner == name or (owner is None and not source.sha256):
        return
    what = f"this file belongs to {owner}" if owner else f"its content has SHA-256 {found}"
    expected = f", expected {source.sha256[part]}" if source.sha256 and not owner else ""
    raise DataError(f"{path}: not a file of {name}: {what}{expected}. {_remedy(name)}")


def _remedy(name: str) -> str:
    prepare = f"sweep data prepare {quote(name)}"
    return f"Remove its folder and run `{prepare}`, or give another `--from DIR`."


def _check_counts(name: str, files: Files, source: Source, n_train: int, n_test: int) -> None:
    parts = (
        (files.train_images, n_train, source.n_train),
        (files.test_images, n_test, source.n_test),
    )
    for path, found, expected in parts:
        if found != expected:
            raise DataError(
                f"{path}: {name} has {expected:,} images here, found {found:,}. {_remedy(name)}"
            )


def _check_pair(
    images_path: Path, images: NDArray[np.uint8], labels_path: Path | None, labels: Labels | None
) -> None:
    if images.ndim != 3 or images.size == 0:
        raise DataError(
            f"{images_path}: expected images (count, height, width), found shape {images.shape}."
        )
    if labels is not None and labels.shape != images.shape[:1]:
        raise DataError(
            f"{labels_path}: expected {len(images):,} labels, one for each image in"
            f" {images_path.name}, found shape {labels.shape}."
        )


def _size(images: NDArray[np.uint8]) -> str:
    return f"{images.shape[1]} x {images.shape[2]}"
