"""Measure the error spectrum: in which principal directions of the images a network still errs.

Notation: N training images x of D numbers on the [0, 1] scale, with mean m; v_k (D,) their
principal directions, the widest first, and lambda_k the variance along v_k. The error of copies y
along v_k is mean((v_k . (y - x))^2) / D over the validation images, so that the errors of all
directions add up to the mean squared error. Directions are grouped in N_BANDS bands of equal width
in log lambda, from lambda_1 down to NEGLIGIBLE lambda_1; the last band includes the rest. The error
divided by that of the mean image, mean((v_k . (m - x))^2) / D, is the share of a band that is still
missing: 1 if nothing is learned, 0 for a perfect copy. Gradient descent learns direction k in a
time proportional to 1 / lambda_k (Saxe, McClelland and Ganguli 2014 for linear networks; Refinetti
and Goldt 2022, "The dynamics of representation learning in shallow, non-linear autoencoders").

The product of errors and directions takes 2 n D^2 operations for n images. The number of measured
validation images is chosen so that it takes OPERATIONS for each number that an epoch trains on: 1
or 2 % of the time of an epoch of a narrow network on a CPU, and less of a wide one.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweep.errors import DataError
from sweep.messages import N_BANDS, SpectrumBands, pack_spectrum
from sweep.trainer.data import DeviceData, as_floats, batches
from sweep.trainer.model import Autoencoder

#: Directions with a smaller share of the largest variance are in the last band.
NEGLIGIBLE = 1e-5
#: Operations of the product, for each number of the training images.
OPERATIONS = 24
#: Minimum number of measured validation images, if there are as many.
FEWEST_IMAGES = 32
#: Numbers per image up to which a spectrum is measured by default: computing their principal
#: directions takes a fifth of a second.
SMALL = 1_024
#: Maximum numbers per image: computing their principal directions takes minutes, and 64 MB.
LARGEST = 4_096


@dataclass(frozen=True, kw_only=True, eq=False)
class SpectrumBasis:
    """The images to measure, their principal directions, and the bands of these."""

    #: (n, D) uint8, validation images.
    images: Tensor
    #: (D, D) float32, in columns, the widest first.
    directions: Tensor
    bands: SpectrumBands

    @classmethod
    def of(cls, train: Tensor, validation: Tensor) -> Self:
        """Compute the basis of images (N, D) uint8. Raises DataError for D above LARGEST."""
        n_train, n_inputs = train.shape
        if n_inputs > LARGEST:
            raise DataError(
                f"the error spectrum of images of {n_inputs:,} numbers takes too long, the "
                f"limit is {LARGEST:,}: set `study.spectrum = false`, or make the images smaller "
                "with `data.size`."
            )
        mean = mean_image(train)
        variances, directions = principal_directions(train, mean)
        band_of = _bands(variances)
        images = _spread(validation, n_images(n_train, len(validation), n_inputs))
        blank = SpectrumBands(
            n_directions=tuple(np.bincount(band_of, minlength=N_BANDS).tolist()),
            variances=tuple(_geometric_means(variances, band_of)),
            mean_image_errors=(),
            n_images=len(images),
        )
        basis = cls(images=images, directions=directions, bands=blank)
        of_mean = basis.errors(mean - as_floats(part) for part in batches(images))
        bands = replace(blank, mean_image_errors=tuple(of_mean.tolist()))
        return replace(basis, bands=bands)

    def to(self, device: torch.device) -> Self:
        """Copy the basis to another device."""
        return replace(self, images=self.images.to(device), directions=self.directions.to(device))

    @torch.no_grad()
    def measure(self, model: Autoencoder) -> bytes | None:
        """Measure a network's error in each band; None if it is not finite."""
        parts = map(as_floats, batches(self.images))
        return pack_spectrum(self.errors(model.reconstruct(part) - part for part in parts).tolist())

    def errors(
        self,
        residuals: Iterable[Tensor],  # (B, D) each, of all images
    ) -> NDArray[np.float64]:
        """Compute the mean squared error (N_BANDS,) in each band."""
        squares = [
            (part @ self.directions).square_().sum(dim=0, dtype=torch.float64) for part in residuals
        ]
        return self.by_band(torch.stack(squares).sum(dim=0).cpu().numpy())

    def by_band(
        self,
        squares: NDArray[np.float64],  # (..., D), sums over all images
    ) -> NDArray[np.float64]:
        """Compute mean squared errors (..., N_BANDS) from sums of squares along each direction."""
        n_directions = np.array(self.bands.n_directions)
        is_held = n_directions > 0
        found = np.zeros((*squares.shape[:-1], N_BANDS))
        # Start of each band; an empty one would count its successor's first direction.
        starts = (np.cumsum(n_directions) - n_directions)[is_held]
        found[..., is_held] = np.add.reduceat(squares, starts, axis=-1)
        means: NDArray[np.float64] = found / (len(self.images) * squares.shape[-1])
        return means


def with_spectrum(data: DeviceData, wanted: bool | None = None) -> DeviceData:
    """Add the basis of the error spectrum, if it is wanted; by default the images' size decides.

    Raises DataError if it is wanted for images that are too large.
    """
    if not (data.n_inputs <= SMALL if wanted is None else wanted):
        return data
    return replace(data, spectrum=SpectrumBasis.of(data.train, data.validation))


def n_images(n_train: int, n_validation: int, n_inputs: int) -> int:
    """Return the number of validation images that are measured."""
    affordable = OPERATIONS * n_train // (2 * n_inputs)
    return min(n_validation, max(FEWEST_IMAGES, affordable))


def _spread(images: Tensor, n: int) -> Tensor:
    """Take n images at regular intervals."""
    rows = torch.arange(n, device=images.device) * len(images) // n
    return images[rows]


def mean_image(images: Tensor) -> Tensor:
    """Compute the mean (D,) of images (N, D) uint8, on the [0, 1] scale."""
    parts = [as_floats(part).sum(dim=0, dtype=torch.float64) for part in batches(images)]
    return (torch.stack(parts).sum(dim=0) / len(images)).float()


def principal_directions(images: Tensor, mean: Tensor) -> tuple[NDArray[np.float64], Tensor]:
    """Return variances (D,), the largest first, and directions (D, D) in columns.

    Products are float32: the loss of precision is far below NEGLIGIBLE.
    """
    covariance = torch.zeros(len(mean), len(mean), device=images.device)
    for part in batches(images):
        centred = as_floats(part) - mean
        covariance.addmm_(centred.T, centred)
    variances, directions = torch.linalg.eigh((covariance / len(images)).cpu().double())
    in_order = directions.flip(1).float().contiguous().to(images.device)
    return variances.flip(0).clamp_(min=0.0).numpy(), in_order


def _bands(variances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the band (D,) of each direction, from 0."""
    shares = variances / variances[0] if variances[0] > 0 else np.zeros_like(variances)
    depths = np.log(np.maximum(shares, NEGLIGIBLE)) / math.log(NEGLIGIBLE)
    return np.minimum((depths * N_BANDS).astype(np.int64), N_BANDS - 1)


def _geometric_means(variances: NDArray[np.float64], band_of: NDArray[np.int64]) -> list[float]:
    """Return the geometric mean of each band's variances, at least negligible.

    0 for empty bands.
    """
    least = max(NEGLIGIBLE * float(variances[0]), 1e-300)
    logs = np.log(np.maximum(variances, least))
    means = [logs[band_of == band] for band in range(N_BANDS)]
    return [float(np.exp(of.mean())) if len(of) else 0.0 for of in means]
