"""Compute lower bounds of the error of any model of a kind, from the data alone.

Notation: N images x of D numbers on the [0, 1] scale; V (D, R) the principal directions, the widest
first, R = min(N, D). The best linear autoencoder of width k uses the first k of them (Bourlard and
Kamp 1988; Baldi and Hornik 1989); its error per pixel is the sum over j >= k of mean(((x - mean)
V)_j^2) / D. Mean and V are computed from the training rows; errors are measured on the training,
validation and test images. With its copies clipped to [0, 1], the range of pixels, PCA has a lower
error: a second line, which a linear code with a bounded output may reach. Clipping is nonlinear, so
that error has no closed form and is measured, at some widths. The directions are the eigenvectors
of the covariance (D, D). If there are fewer images than numbers, they are computed from those of
the Gram matrix (N, N) of the centred images (Sirovich 1987, "Turbulence and the dynamics of
coherent structures", the method of snapshots); widths beyond R then lose what is absent from all
training images. Both are summed in chunks: in addition to the images as bytes, memory is used for
about three matrices (D, R) of float64, and never for (N, D) floats. Binary cross-entropy of a pixel
p is at least its own entropy -p ln p - (1 - p) ln(1 - p), in nats, which is 0 only for black and
white.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from sweep.datasets import Images
from sweep.datasets.images import data_key
from sweep.errors import DataError

_WHITE = 255.0
#: A smaller squared error is rounding of sums.
ROUNDING = 1e-9
#: Numbers converted to floats at a time: 25 MB of float64.
_CHUNK_NUMBERS = 4_000 * 784
#: Copies are kept from width to width; this many numbers stay in the processor's cache.
_COPIED_NUMBERS = 250 * 784
#: Maximum of min(N, D): an eigenproblem of this size takes minutes and 7 GB.
LARGEST_RANK = 16_384
#: Maximum numbers of V: 32 GB of float64 would be more.
_MOST_DIRECTIONS = 400_000_000
#: Clipped copies are measured on as many images as take this many multiplications, at least 1,000;
#: 60,000 images of 784 numbers take a fiftieth of it.
_MOST_PRODUCTS = 2e12
_LEAST_COPIED = 1_000
#: Widths per octave at which clipped copies are measured.
_PER_OCTAVE = 2


@dataclass(frozen=True, kw_only=True)
class ClippedErrors:
    """PCA's error per pixel with its copies clipped to [0, 1]."""

    #: Ascending, from 1 to D.
    widths: tuple[int, ...] = ()
    train_mse: tuple[float, ...] = ()
    val_mse: tuple[float, ...] = ()
    test_mse: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SigmoidBound:
    """The best linear code with sigmoid outputs and cross-entropy, of any width."""

    #: Nats per pixel.
    train_bce: float
    test_bce: float
    test_mse: float


@dataclass(frozen=True, kw_only=True)
class Floors:
    """The floors of one data set and split."""

    data_key: str
    #: PCA's reconstruction error per pixel at every width 0..D; at width 0 every copy is the mean
    #: image.
    train_pca_mse: tuple[float, ...]
    val_pca_mse: tuple[float, ...]
    test_pca_mse: tuple[float, ...]
    #: Nats per pixel; no binary cross-entropy can be lower.
    train_entropy: float
    val_entropy: float
    test_entropy: float
    clipped: ClippedErrors = ClippedErrors()
    #: None until it is requested: it takes minutes.
    sigmoid: SigmoidBound | None = None

    @property
    def n_inputs(self) -> int:
        """D, the pixels of an image."""
        return len(self.test_pca_mse) - 1

    @property
    def val_mean_mse(self) -> float:
        """The error if every image is answered with the mean training image."""
        return self.val_pca_mse[0]

    @property
    def test_mean_mse(self) -> float:
        """The error if every image is answered with the mean training image."""
        return self.test_pca_mse[0]

    def to_json(self) -> dict[str, Any]:
        """Convert to plain values for the store."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Restore the floors from what ``to_json`` returned."""
        names = ("train_pca_mse", "val_pca_mse", "test_pca_mse")
        curves = {name: tuple(values[name]) for name in names}
        clipped = {name: tuple(column) for name, column in values["clipped"].items()}
        bound = values.get("sigmoid")
        more = {"clipped": ClippedErrors(**clipped), "sigmoid": bound and SigmoidBound(**bound)}
        return cls(**{**values, **curves, **more})


def compute_floors(
    images: Images,
    fraction: float,
    seed: int,
    train_limit: int | None = None,
    clipped_widths: Sequence[int] | None = None,
) -> Floors:
    """Compute the floors of the split that ``Images.split`` makes with these arguments.

    ``clipped_widths``, 1 to D, are by default two per octave.
    """
    train_rows, validation_rows = images.split(fraction, seed, train_limit)
    train, validation = images.train_images[train_rows], images.train_images[validation_rows]
    mean, directions = principal_directions(train)
    asked = default_widths(images.n_inputs) if clipped_widths is None else clipped_widths
    widths = sorted({*asked})
    clip = partial(clipped_pca_errors, mean=mean, directions=directions, widths=widths)
    return Floors(
        data_key=data_key(images.sha256, fraction, seed, train_limit),
        train_pca_mse=pca_errors(train, mean, directions),
        val_pca_mse=pca_errors(validation, mean, directions),
        test_pca_mse=pca_errors(images.test_images, mean, directions),
        train_entropy=pixel_entropy(train),
        val_entropy=pixel_entropy(validation),
        test_entropy=pixel_entropy(images.test_images),
        clipped=ClippedErrors(
            widths=tuple(widths),
            train_mse=clip(train),
            val_mse=clip(validation),
            test_mse=clip(images.test_images),
        ),
    )


def default_widths(n_inputs: int) -> list[int]:
    """Return two widths per octave, including powers of 2, and D itself."""
    steps = range(_PER_OCTAVE * n_inputs.bit_length())
    widths = {round(2 ** (step / _PER_OCTAVE)) for step in steps}
    return sorted({*(width for width in widths if width <= n_inputs), n_inputs})


def pca_equivalent(floors: Floors, mse: float, on: Literal["val", "test"] = "test") -> int:
    """Return the fewest principal components with the same error: "as good as PCA with k"."""
    curve = floors.test_pca_mse if on == "test" else floors.val_pca_mse
    return next((width for width, error in enumerate(curve) if error <= mse), len(curve) - 1)


def principal_directions(
    pixels: NDArray[np.uint8],  # (N, D)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean image (D,) and principal directions (D, R) in columns, in 8-bit units.

    Raises DataError for images that are both too many and too large.
    """
    n, n_inputs = pixels.shape
    rank = min(n, n_inputs)
    if rank > LARGEST_RANK or rank * n_inputs > _MOST_DIRECTIONS:
        raise DataError(
            f"PCA of {n:,} images of {n_inputs:,} numbers takes too much memory: "
            f"{24 * rank * n_inputs / 1e9:,.0f} GB. It needs no more than {LARGEST_RANK:,} images, "
            "or numbers an image; `data.size` makes images smaller."
        )
    mean = sum((chunk.sum(axis=0) for chunk in _chunks(pixels)), np.zeros(n_inputs)) / n
    directions = _by_covariance(pixels, mean) if n_inputs <= n else _by_gram_matrix(pixels, mean)
    return mean, directions


def _by_covariance(
    pixels: NDArray[np.uint8],  # (N, D)
    mean: NDArray[np.float64],  # (D,)
) -> NDArray[np.float64]:
    """Return the principal directions (D, D)."""
    from scipy.linalg import blas, eigh  # takes a quarter of a second

    n_inputs = pixels.shape[1]
    # Only one triangle is computed, in place. Sums of products of bytes stay far below 2^53, so
    # they are exact for any chunking.
    products = np.zeros((n_inputs, n_inputs), order="F")
    for chunk in _chunks(pixels):
        products = blas.dsyrk(1.0, chunk.T, beta=1.0, c=products, overwrite_c=True)
    products /= len(pixels)
    covariance = blas.dsyr(-1.0, mean, a=products, overwrite_a=True)
    vectors: NDArray[np.float64] = eigh(
        covariance, lower=False, overwrite_a=True, check_finite=False
    )[1]
    return vectors[:, ::-1]


def _by_gram_matrix(
    pixels: NDArray[np.uint8],  # (N, D)
    mean: NDArray[np.float64],  # (D,)
) -> NDArray[np.float64]:
    """Return the principal directions (D, R); zeros for those that the images do not determine."""
    from scipy.linalg import eigh

    n, n_inputs = pixels.shape
    gram = np.empty((n, n))
    starts = range(0, n, _rows(_CHUNK_NUMBERS, n_inputs))
    for first in starts:
        chunk = pixels[first : first + starts.step] - mean
        for second in starts[: starts.index(first) + 1]:
            other = pixels[second : second + starts.step] - mean
            gram[first : first + starts.step, second : second + starts.step] = chunk @ other.T
    squares, vectors = eigh(gram, lower=True, overwrite_a=True, check_finite=False)
    directions = np.zeros((n_inputs, n))
    for start in starts:
        rows = slice(start, start + starts.step)
        directions += (pixels[rows] - mean).T @ vectors[rows]
    # Rank of the centred images: subtracting the mean removes one direction.
    determined = squares > squares[-1] * n * np.finfo(np.float64).eps
    directions *= np.where(determined, 1.0 / np.sqrt(np.where(determined, squares, 1.0)), 0.0)
    return directions[:, ::-1]


def pca_errors(
    pixels: NDArray[np.uint8],  # (N, D)
    mean: NDArray[np.float64],  # (D,)
    directions: NDArray[np.float64],  # (D, R)
) -> tuple[float, ...]:
    """Return PCA's error per number at every width 0..D; beyond R as at R, and 0 at D."""
    n_inputs, rank = directions.shape
    squares, outside = np.zeros(rank), 0.0
    for chunk in _chunks(pixels):
        chunk -= mean
        scores = chunk @ directions
        squares += np.square(scores).sum(axis=0)
        if rank < n_inputs:
            chunk -= scores @ directions.T
            outside += float(np.vdot(chunk, chunk))
    # Width k loses the variance along the directions from k on. It is summed from the small end, so
    # no difference of large numbers is taken.
    lost = (outside + np.cumsum(squares[::-1])[::-1]) / (pixels.size * _WHITE**2)
    beyond = [outside / (pixels.size * _WHITE**2)] * (n_inputs - rank)
    return (*map(float, lost), *beyond, 0.0)


def clipped_pca_errors(
    pixels: NDArray[np.uint8],  # (N, D)
    mean: NDArray[np.float64],  # (D,)
    directions: NDArray[np.float64],  # (D, R)
    widths: Sequence[int],  # ascending
) -> tuple[float, ...]:
    """Return PCA's error per number at these widths, with its copies clipped to [0, 1].

    Only the first images are used if all of them would take minutes: see ``_MOST_PRODUCTS``.
    """
    n_inputs, rank = directions.shape
    pixels = pixels[: max(_LEAST_COPIED, int(_MOST_PRODUCTS / (n_inputs * rank)))]
    # In float32 and in place, three times as fast; the rounding is far below 1e-6 of an error.
    centre, axes = mean.astype(np.float32), directions.astype(np.float32)
    squares = np.zeros(len(widths))
    for chunk in _chunks(pixels, _COPIED_NUMBERS):
        originals = chunk.astype(np.float32)
        scores = (originals - centre) @ axes
        copies, errors = np.tile(centre, (len(chunk), 1)), np.empty_like(originals)
        for place, (before, width) in enumerate(pairwise((0, *widths))):
            copies += scores[:, before:width] @ axes[:, before:width].T
            if width < n_inputs:
                np.clip(copies, 0.0, _WHITE, out=errors)
                errors -= originals
                squares[place] += float(np.vdot(errors, errors))
    return tuple((squares / (pixels.size * _WHITE**2)).tolist())


def pixel_entropy(pixels: NDArray[np.uint8]) -> float:
    """Return the mean binary entropy of the pixels' values, in nats."""
    values = np.arange(256) / _WHITE
    inner = values[1:-1]
    entropy = np.zeros(256)
    entropy[1:-1] = -inner * np.log(inner) - (1.0 - inner) * np.log1p(-inner)
    counts, step = np.zeros(256, np.int64), _rows(_CHUNK_NUMBERS, pixels.shape[1])
    for start in range(0, len(pixels), step):  # numpy makes 8-byte numbers of what it counts
        counts += np.bincount(pixels[start : start + step].ravel(), minlength=256)
    return float(counts @ entropy / pixels.size)


def _chunks(
    pixels: NDArray[np.uint8], n_numbers: int = _CHUNK_NUMBERS
) -> Iterator[NDArray[np.float64]]:
    """Yield rows as float64, a few at a time."""
    step = _rows(n_numbers, pixels.shape[1])
    for start in range(0, len(pixels), step):
        yield pixels[start : start + step].astype(np.float64)


def _rows(n_numbers: int, n_inputs: int) -> int:
    return max(1, n_numbers // n_inputs)
