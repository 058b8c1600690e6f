"""Compare the same ten test images at every width: where they err, and what wider layers gain.

Notation: N images, W trials by width, M things that have an error (images, or classes).

Two strips of pictures are kept of a trial: its copies, as 8-bit values, and its error maps,
|copy - original| in steps of 1/510, white from half of the scale on. Errors are computed from the
maps, which are twice as fine and do not clip values of a linear output outside of [0, 1]; where
a map is white, from the copies. So an image's mean squared error is known down to ``RESOLUTION``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.strips import Pixels
from sweep.store.records import TrialRow

#: Steps of an error map on the [0, 1] scale: 255 of them are half of it.
_STEPS = 510.0
#: The variance of rounding to a step: smaller squared errors cannot be distinguished.
RESOLUTION = (1.0 / _STEPS) ** 2 / 12.0
#: An error has stopped falling if no wider layer lowers it below this share of the lowest so far.
STOPPED = 0.9


class PixelKind(StrEnum):
    """Value of a pixel in the original: exactly 0, exactly 1, or neither."""

    BLACK = "black"
    BETWEEN = "in between"
    WHITE = "white"


class KindErrors(NamedTuple):
    """How the pixels of one kind are reproduced."""

    kind: PixelKind
    #: Their share of all pixels.
    share: float
    mse: float
    #: Share of them that are reproduced as the same 8-bit value.
    exact: float


@dataclass(frozen=True, kw_only=True)
class AtlasTrial:
    """A trial's copies of the ten images, by its first seed."""

    trial: TrialRow
    copies: Pixels  # (N, height, width), or (N, height, width, 3)
    error_map: Pixels  # same shape
    image_mse: NDArray[np.float64]  # (N,)
    #: Share of an image's pixels that are reproduced as the same 8-bit value.
    image_exact: NDArray[np.float64]  # (N,)
    #: The kinds that occur.
    kinds: tuple[KindErrors, ...]


class StoppingWidth(NamedTuple):
    """The width at which the error of an image, or of a class, stops falling."""

    name: str
    #: From this width on.
    width: int
    error: float
    #: Number of wider trials; 0 if the error still falls at the widest.
    n_wider: int


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """Originals and copies of ten test images, by width."""

    originals: Pixels  # (N, height, width), or (N, height, width, 3)
    image_names: Sequence[str]
    #: In the order of ``TrialRow.per_class_mse``.
    class_names: Sequence[str]
    #: The best of each width, narrowest first.
    trials: list[AtlasTrial]
    #: Those with errors by class, with pictures or without.
    by_class: list[TrialRow]
    #: Those without pictures.
    without_pictures: list[TrialRow]
    #: By image and by class.
    image_stops: list[StoppingWidth]
    class_stops: list[StoppingWidth]


def atlas_trial(
    trial: TrialRow, originals: Pixels, copies: Pixels, error_map: Pixels
) -> AtlasTrial:
    """Measure a trial's pictures, (N, height, width) or in colour."""
    errors = _errors(originals, copies, error_map)
    exact = copies == originals
    return AtlasTrial(
        trial=trial,
        copies=copies,
        error_map=error_map,
        image_mse=(errors**2).reshape(len(errors), -1).mean(axis=1),
        image_exact=exact.reshape(len(exact), -1).mean(axis=1),
        kinds=tuple(
            KindErrors(
                kind=kind,
                share=float(of.mean()),
                mse=float((errors[of] ** 2).mean()),
                exact=float(exact[of].mean()),
            )
            for kind, of in _kinds(originals).items()
            if of.any()
        ),
    )


def _errors(originals: Pixels, copies: Pixels, error_map: Pixels) -> NDArray[np.float64]:
    rough = np.abs(copies.astype(np.float64) - originals) / 255.0
    errors: NDArray[np.float64] = np.where(error_map < 255, error_map / _STEPS, rough)
    return errors


def _kinds(originals: Pixels) -> dict[PixelKind, NDArray[np.bool_]]:
    black, white = originals == 0, originals == 255
    return {
        PixelKind.BLACK: black,
        PixelKind.BETWEEN: ~(black | white),
        PixelKind.WHITE: white,
    }


def image_stops(trials: Sequence[AtlasTrial], names: Sequence[str]) -> list[StoppingWidth]:
    """Find the width at which each image's error stops falling.

    Errors below the resolution are equal.
    """
    errors = np.array([np.maximum(of.image_mse, RESOLUTION) for of in trials])
    return stops([of.trial for of in trials], errors, names)


def class_stops(trials: Sequence[TrialRow], names: Sequence[str]) -> list[StoppingWidth]:
    """Find the width at which each class's test error stops falling; trials by ascending width."""
    return stops(trials, np.array([of.per_class_mse for of in trials]), names)


def stops(
    trials: Sequence[TrialRow],  # W
    errors: NDArray[np.float64],  # (W, M)
    names: Sequence[str],  # M
) -> list[StoppingWidth]:
    """Find where each error stops falling, the earliest first; empty for a single width."""
    if len(trials) < 2:
        return []
    found = [_stop(trials, column, name) for column, name in zip(errors.T, names, strict=True)]
    return sorted(found, key=lambda stop: stop.width)


def _stop(trials: Sequence[TrialRow], errors: NDArray[np.float64], name: str) -> StoppingWidth:
    lowest = np.minimum.accumulate(errors)
    # The narrowest whose error is practically the lowest of all.
    place = int(np.argmax(lowest[-1] >= STOPPED * lowest))
    width = trials[place].hidden_width
    assert width is not None
    return StoppingWidth(name, width, float(errors[place]), len(trials) - 1 - place)
