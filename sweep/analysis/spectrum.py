"""Interpret error spectra: how far the principal directions are learned, and why the rest is not.

Notation: lambda_k the variance of the images along principal direction k, the widest first; r_k the
share of it that is still missing after an epoch, here by bands of directions (see
``trainer.spectrum``). Training at a constant rate learns direction k in a time proportional to 1 /
lambda_k, so r is small for wide directions, about 1 for narrow ones, and between them is a front
that moves to narrower directions. If r = 1/2 at lambda after e epochs, lambda e is constant: the
front law. Four causes have four signatures: too few epochs a front that moves; noise of the steps
an error in wide directions that is proportional to the learning rate; an output that cannot
represent the pixels such an error that is not; units that are dead or too few a front that stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log, sqrt
from statistics import fmean, median
from typing import NamedTuple

from sweep.enums import Schedule
from sweep.messages import SpectrumBands
from sweep.store.records import SpectrumPoint

#: Share of a direction's variance that is missing at the front.
HALF = 0.5
#: Minimum number of epochs of the law, in which lambda e differs by no more than this factor.
LEAST_EPOCHS = 3
STEADY = 1.35
#: The front also moved by this factor in lambda.
MOVED = 2.0
#: The front has stopped if half of the epochs left this share of the variance at it, or more.
STILL = 0.9
#: A direction was learned long ago if its variance is this many times that at the front.
BEHIND = 8.0


class SpectrumBand(NamedTuple):
    """A single band with directions."""

    #: Its index among all bands, from 0.
    place: int
    #: Its first and last component, from 1, the widest first.
    first: int
    last: int
    #: Typical variance of its directions.
    variance: float
    #: Error if every image is answered with the mean image.
    mean_image_error: float

    @property
    def centre(self) -> float:
        """Its middle component, on a log scale."""
        return sqrt(self.first * self.last)


def held_bands(bands: SpectrumBands) -> list[SpectrumBand]:
    """Return the bands with directions along which the validation images vary."""
    found, after = [], 0
    columns = zip(bands.n_directions, bands.variances, bands.mean_image_errors, strict=True)
    for place, (n, variance, error) in enumerate(columns):
        if n and error > 0 and variance > 0:
            found.append(SpectrumBand(place, after + 1, after + n, variance, error))
        after += n
    return found


class LearningFront(NamedTuple):
    """Where half of a direction's variance is learned."""

    #: From 1; interpolated between two bands.
    component: float
    #: Variance of the images along it.
    variance: float


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Shares of the variance that are still missing, after each epoch of a trial."""

    bands: Sequence[SpectrumBand]
    #: D
    n_components: int
    #: By epoch, in order.
    points: Sequence[SpectrumPoint]

    @classmethod
    def of(cls, bands: SpectrumBands | None, points: Sequence[SpectrumPoint]) -> "Spectrum | None":
        """Build the spectrum of a trial; None if none was measured."""
        held = [] if bands is None else held_bands(bands)
        if bands is None or not held or not points:
            return None
        return cls(bands=held, n_components=sum(bands.n_directions), points=points)

    @property
    def last_epoch(self) -> int:
        """Return the last epoch measured."""
        return self.points[-1].epoch

    def missing(self, point: SpectrumPoint) -> list[float]:
        """Return the share of each band's variance that is missing."""
        return [point.errors[band.place] / band.mean_image_error for band in self.bands]

    def front(self, point: SpectrumPoint) -> LearningFront | None:
        """Return the front; None if all or no bands are half learned."""
        shares = self.missing(point)
        at = next((i for i, share in enumerate(shares) if share >= HALF), None)
        if not at:
            return None
        before, after = self.bands[at - 1], self.bands[at]
        part = (HALF - shares[at - 1]) / (shares[at] - shares[at - 1])
        return LearningFront(
            component=_between(before.centre, after.centre, part),
            variance=_between(before.variance, after.variance, part),
        )

    @property
    def fronts(self) -> dict[int, LearningFront]:
        """The front by epoch, for the epochs that have one."""
        found = ((point.epoch, self.front(point)) for point in self.points)
        return {epoch: front for epoch, front in found if front is not None}

    def holds(self, front: LearningFront) -> bool:
        """Return whether a front lies before the last band, whose directions have no variance."""
        return front.component < self.bands[-1].first

    @property
    def last_front(self) -> LearningFront | None:
        """Return the front after the last epoch; None if all or no bands are half learned."""
        return self.front(self.points[-1])

    @property
    def is_unlearned(self) -> bool:
        """Whether not even the widest band is half learned."""
        return self.missing(self.points[-1])[0] >= HALF

    def variance_of(self, component: float) -> float:
        """Return the variance along a component, interpolated between bands."""
        first, last = self.bands[0], self.bands[-1]
        if component <= first.centre or len(self.bands) == 1:
            return first.variance
        for before, after in pairwise(self.bands):
            if component <= after.centre:
                part = log(component / before.centre) / log(after.centre / before.centre)
                return _between(before.variance, after.variance, part)
        return last.variance


def _between(low: float, high: float, part: float) -> float:
    """Interpolate on a log scale."""
    return exp(log(low) + part * (log(high) - log(low)))


@dataclass(frozen=True, kw_only=True)
class FrontLaw:
    """Half of a direction of variance lambda is learned after ``constant`` / lambda epochs."""

    constant: float
    #: The epochs that it was fitted to.
    first: int
    last: int
    #: Largest of their lambda e divided by the smallest.
    spread: float

    def epochs(self, variance: float) -> float:
        """Predict after how many epochs half of a direction is learned."""
        return self.constant / variance


def front_law(spectrum: Spectrum, schedule: str) -> FrontLaw | None:
    """Fit the front law to the last epochs that follow it; None if too few do.

    The rate has to be constant: an epoch at another rate counts for another time. First epochs are
    omitted while weights still leave their initial values.
    """
    fronts = [(epoch, front) for epoch, front in spectrum.fronts.items() if spectrum.holds(front)]
    if schedule != Schedule.CONSTANT or not fronts or fronts[-1][0] != spectrum.last_epoch:
        return None
    speeds = [front.variance * epoch for epoch, front in fronts]
    start = next(i for i in range(len(fronts)) if max(speeds[i:]) <= STEADY * min(speeds[i:]))
    moved = fronts[start][1].variance / fronts[-1][1].variance
    if len(fronts) - start < LEAST_EPOCHS or moved < MOVED:
        return None
    followed = speeds[start:]
    return FrontLaw(
        constant=exp(fmean(map(log, followed))),
        first=fronts[start][0],
        last=spectrum.last_epoch,
        spread=max(followed) / min(followed),
    )


class Standstill(NamedTuple):
    """A front that no longer moves."""

    front: LearningFront
    #: The first epoch with the front at its final position.
    since: int


def standstill(spectrum: Spectrum, schedule: str) -> Standstill | None:
    """Return where the front stopped; None while it moves, or if the rate falls.

    By the front law, twice the epochs halve the variance at the front: it has stopped if they lower
    it by less than a tenth.
    """
    fronts, last, half = spectrum.fronts, spectrum.last_front, spectrum.last_epoch // 2
    is_long = half >= LEAST_EPOCHS and half in fronts
    if schedule != Schedule.CONSTANT or last is None or not is_long or not spectrum.holds(last):
        return None
    limit = last.variance / STILL
    if fronts[half].variance > limit:
        return None
    return Standstill(last, min(epoch for epoch, of in fronts.items() if of.variance <= limit))


class Residue(NamedTuple):
    """Error in directions that were learned long before the end."""

    #: They are the components up to this one.
    last_component: int
    #: Their share of the total error, in the middle third of the epochs and at the end.
    share_before: float
    share: float
    #: Their error at the end divided by that in the middle third: medians of thirds of the epochs.
    #: At the end of a schedule that falls to 0, the last epoch is used.
    kept: float


def residue(spectrum: Spectrum, schedule: str) -> Residue | None:
    """Return the error in directions that were half learned in an eighth of a third of the epochs.

    None if there are none, or too few epochs.
    """
    third = len(spectrum.points) // 3
    if third < LEAST_EPOCHS - 1 or spectrum.points[0].epoch != 1:
        return None
    front = spectrum.front(spectrum.points[third - 1])
    if front is None:
        return None
    behind = [band for band in spectrum.bands if band.variance >= BEHIND * front.variance]
    if not behind:
        return None
    errors = [sum(point.errors[band.place] for band in behind) for point in spectrum.points]
    whole = [sum(point.errors) for point in spectrum.points]
    shares = [error / of if of else 0.0 for error, of in zip(errors, whole, strict=True)]
    middle = slice(third, 2 * third)
    ends = slice(-1, None) if schedule == Schedule.COSINE else slice(2 * third, None)
    before = median(errors[middle])
    return Residue(
        last_component=behind[-1].last,
        share_before=median(shares[middle]),
        share=median(shares[ends]),
        kept=median(errors[ends]) / before if before else 1.0,
    )
