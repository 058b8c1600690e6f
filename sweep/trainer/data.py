"""Hold a data set on the device as unsigned bytes, and make float batches of it.

Notation: N images of D numbers, B of them in a batch.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweep.datasets import Images
from sweep.datasets.images import Labels, data_key
from sweep.messages import ImageShape, WorkerSetup
from sweep.trainer.pixels import BLACK, WHITE, strip_png

if TYPE_CHECKING:
    from sweep.trainer.spectrum import SpectrumBasis

#: Batch size outside of training, so that results do not depend on the trial's batch size. It is
#: small enough for the caches of a CPU.
EVALUATION_BATCH = 250

#: Images in a strip of originals or reconstructions.
STRIP_LENGTH = 10


class PixelShares(NamedTuple):
    """Shares of the pixels that are black, and white."""

    black: float
    white: float

    @classmethod
    def of(cls, images: Tensor) -> Self:
        """Count the pixels of images (N, D) uint8."""
        counts = (int((images == value).count_nonzero()) for value in (BLACK, WHITE))
        return cls(*(count / images.numel() for count in counts))


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceData:
    """The data that every trial of a worker trains, validates and is tested on."""

    #: (N, D) uint8 each, on the device.
    train: Tensor
    validation: Tensor
    test: Tensor
    #: (N,) each, on the CPU; training does not use them. None if the data set has none.
    train_labels: Labels | None
    validation_labels: Labels | None
    test_labels: Labels | None
    #: Which test images are shown: the first of each class if there are ten classes.
    strip_rows: tuple[int, ...]
    shape: ImageShape
    #: ``Images.sha256`` of all the pixels and labels.
    sha256: str
    #: See ``datasets.images.data_key``.
    key: str
    #: See ``spectrum.with_spectrum``; None if no error spectrum is measured.
    spectrum: "SpectrumBasis | None" = None

    @classmethod
    def load(cls, images: Images, setup: WorkerSetup, device: torch.device) -> Self:
        """Split the images as the setup says, and copy them to the device."""
        split = (setup.validation_fraction, setup.split_seed, setup.train_limit)
        return cls.of(images, split, device)

    @classmethod
    def of(cls, images: Images, split: tuple[float, int, int | None], device: torch.device) -> Self:
        """Split the images and copy them to the device.

        ``split`` is what ``Images.split`` takes.
        """
        train_rows, validation_rows = images.split(*split)
        labels = images.train_labels
        return cls(
            train=_to_device(images.train_images[train_rows], device),
            validation=_to_device(images.train_images[validation_rows], device),
            test=_to_device(images.test_images, device),
            train_labels=None if labels is None else labels[train_rows],
            validation_labels=None if labels is None else labels[validation_rows],
            test_labels=images.test_labels,
            strip_rows=strip_rows(images.test_labels, len(images.test_images)),
            shape=images.shape,
            sha256=images.sha256,
            key=data_key(images.sha256, *split),
        )

    def to(self, device: torch.device) -> Self:
        """Copy the data to another device; return ``self`` if they are there already."""
        if self.train.device.type == device.type:
            return self
        there = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        spectrum = None if self.spectrum is None else self.spectrum.to(device)
        return replace(self, **there, spectrum=spectrum)

    @property
    def n_inputs(self) -> int:
        """D, the numbers per flattened image."""
        return self.shape.n_inputs

    @cached_property
    def test_pixels(self) -> PixelShares:
        """Shares of black and white among the test images' pixels."""
        return PixelShares.of(self.test)

    @property
    def strip(self) -> Tensor:
        """The test images that are shown, (10, D) uint8 or fewer."""
        return self.test[list(self.strip_rows)]

    @property
    def originals_png(self) -> bytes:
        """Encode the strip of test images as a PNG, shown next to every trial's reconstructions."""
        return strip_png(self.strip.cpu().numpy(), self.shape)


def strip_rows(labels: Labels | None, n_images: int) -> tuple[int, ...]:
    """Choose the first image of each class if there are ten classes, else the first ten images."""
    if labels is not None:
        classes, first = np.unique(labels, return_index=True)
        if len(classes) == STRIP_LENGTH:
            return tuple(int(row) for row in first)
    return tuple(range(min(STRIP_LENGTH, n_images)))


def as_floats(pixels: Tensor) -> Tensor:
    """Convert unsigned bytes to float32 in [0, 1]: divided by 255."""
    return pixels.to(torch.float32).div_(255.0)


def batches(images: Tensor, size: int = EVALUATION_BATCH) -> list[Tensor]:
    """Split images into views of consecutive ones, (B, D); the last batch may be smaller."""
    return [images[start : start + size] for start in range(0, len(images), size)]


def _to_device(rows: NDArray[np.uint8], device: torch.device) -> Tensor:
    # A copy: the files' own buffers are read-only, and torch has no read-only tensors.
    return torch.from_numpy(np.array(rows)).to(device)
