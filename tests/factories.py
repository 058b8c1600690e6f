"""What tests are made of: small data sets."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.datasets import Images
from sweep.datasets.idx import write_idx
from sweep.datasets.registry import FileNames, Source


def make_images(
    n_train: int = 120,
    n_test: int = 40,
    *,
    height: int = 6,
    width: int = 6,
    n_classes: int = 10,
    seed: int = 0,
) -> Images:
    """Grey images of some structure: a few patterns, mixed by random amounts, with noise."""
    rng = np.random.default_rng(seed)
    patterns = rng.random((5, height * width))
    train_images, test_images = (_mixtures(rng, n, patterns) for n in (n_train, n_test))
    return Images(
        name="tiny",
        train_images=train_images,
        train_labels=_labels(n_train, n_classes),
        test_images=test_images,
        test_labels=_labels(n_test, n_classes),
        height=height,
        width=width,
    )


def write_dataset(
    folder: Path, images: Images | None = None, *, names: FileNames | None = None, end: str = ".gz"
) -> Path:
    """The four IDX files of a data set, in a folder that is made for them."""
    images, names = images or make_images(), names or FileNames()
    folder.mkdir(parents=True, exist_ok=True)
    shape = (-1, images.height, images.width)
    write_idx(folder / (names.train_images + end), images.train_images.reshape(shape))
    write_idx(folder / (names.train_labels + end), images.train_labels)
    write_idx(folder / (names.test_images + end), images.test_images.reshape(shape))
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
