"""What tests are made of: small data sets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.datasets import Images
from sweep.datasets.registry import FileNames, Source
from sweep.messages import ImageShape
from tests.support.idx_files import write_idx


def make_images(
    n_train: int = 120,
    n_test: int = 40,
    *,
    height: int = 6,
    width: int = 6,
    channels: int = 1,
    n_classes: int = 10,
    seed: int = 0,
) -> Images:
    """Images of some structure: a few patterns, mixed by random amounts, with noise."""
    rng = np.random.default_rng(seed)
    shape = ImageShape(height=height, width=width, channels=channels)
    patterns = rng.random((5, shape.n_inputs))
    train_images, test_images = (_mixtures(rng, n, patterns) for n in (n_train, n_test))
    return Images(
        name="tiny",
        train_images=train_images,
        train_labels=_labels(n_train, n_classes),
        test_images=test_images,
        test_labels=_labels(n_test, n_classes),
        shape=shape,
    )


def with_black_and_white(images: Images) -> Images:
    """The same, with test pixels that are exactly 0 and exactly 1."""
    pixels = images.test_images.copy()
    pixels[:, ::5], pixels[:, 1::7] = 0, 255
    return replace(images, test_images=pixels)


def make_unlabelled(**options: int) -> Images:
    """The same without labels, and in colour."""
    images = make_images(**{"height": 4, "width": 3, "channels": 3} | options)
    return replace(images, train_labels=None, test_labels=None)


def write_dataset(
    folder: Path, images: Images | None = None, *, names: FileNames | None = None, end: str = ".gz"
) -> Path:
    """The four IDX files of a data set, in a folder that is made for them."""
    images, names = images or make_images(), names or FileNames()
    folder.mkdir(parents=True, exist_ok=True)
    write_idx(folder / (names.train_images + end), images.unflatten(images.train_images))
    assert images.train_labels is not None and images.test_labels is not None
    write_idx(folder / (names.train_labels + end), images.train_labels)
    write_idx(folder / (names.test_images + end), images.unflatten(images.test_images))
    write_idx(folder / (names.test_labels + end), images.test_labels)
    return folder


def make_source(n_train: int = 120, n_test: int = 40) -> Source:
    """A data set known by name, without pinned checksums, of the size of ``make_images``."""
    return Source(
        description="tiny",
        license="none",
        n_train=n_train,
        n_test=n_test,
        classes=tuple("0123456789"),
        torchvision="KMNIST",
    )


def _mixtures(rng: np.random.Generator, n: int, patterns: NDArray[np.float64]) -> NDArray[np.uint8]:
    amounts = rng.dirichlet(np.ones(len(patterns)), size=n)
    noise = rng.normal(0.0, 0.05, (n, patterns.shape[1]))
    return np.uint8(np.clip(amounts @ patterns + noise, 0.0, 1.0) * 255.0)


def _labels(n: int, n_classes: int) -> NDArray[np.uint8]:
    return np.arange(n, dtype=np.uint8) % n_classes
