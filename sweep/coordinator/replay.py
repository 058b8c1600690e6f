"""Compare the metrics of a trial with those of a second training."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import NamedTuple, TypeVar

from sweep.messages import PixelErrors

Key = TypeVar("Key")

#: A metric by its name; None if it is not defined, or was not finite.
Metrics = Mapping[str, float | None]

#: Shares of 1, most of which count images or units: compared by their difference, not their ratio.
_SHARES = {
    *("exact_pixel_share", "dead_share", "saturated_share", "stuck_share"),
    *(field.name for field in fields(PixelErrors)),
}
_BAND = "share of the error in band "


class Agreement(StrEnum):
    """How close two training runs are."""

    #: Bit for bit.
    EQUAL = "equal"
    WITHIN_TOLERANCE = "within tolerance"
    DIVERGED = "diverged"


@dataclass(frozen=True, kw_only=True)
class TrainingTrace:
    """Metrics of one training run."""

    #: By epoch, from 1, and index of the seed.
    epochs: Mapping[tuple[int, int], Metrics]
    #: By index of the seed; empty if it was not trained to its end.
    tests: Mapping[int, Metrics] = field(default_factory=dict)
    #: The epoch in which a number became infinite or NaN.
    infinite_at: int | None = None

    @property
    def last_epoch(self) -> int:
        """Return the last recorded epoch; 0 if there is none."""
        return max((epoch for epoch, _ in self.epochs), default=0)


class TraceDifference(NamedTuple):
    """A single number that differs."""

    #: None for the test results, after the last epoch.
    epoch: int | None
    seed_index: int
    metric: str
    stored: float | None
    again: float | None
    #: Relative to the larger of the two; for shares, their difference. Infinite if one of the two
    #: is missing.
    size: float


@dataclass(frozen=True, kw_only=True)
class TraceComparison:
    """Comparison of two training runs."""

    agreement: Agreement
    tolerance: float
    n_numbers: int
    #: The first beyond the tolerance, in the order of training.
    first: TraceDifference | None
    #: The largest of all; None if all numbers are equal.
    largest: TraceDifference | None


def shares_of_bands(errors: Sequence[float]) -> dict[str, float | None]:
    """Return an error spectrum as shares: the error of a band with a small share is rounding."""
    whole = sum(errors)
    return {f"{_BAND}{n}": of / whole if whole else 0.0 for n, of in enumerate(errors, start=1)}


def compare(stored: TrainingTrace, again: TrainingTrace, tolerance: float) -> TraceComparison:
    """Compare every stored number with that of the second training."""
    pairs = list(_pairs(stored, again))
    different = [pair for pair in pairs if pair.size > 0]
    beyond = [pair for pair in different if pair.size > tolerance]
    agreement = Agreement.WITHIN_TOLERANCE if different else Agreement.EQUAL
    return TraceComparison(
        agreement=Agreement.DIVERGED if beyond else agreement,
        tolerance=tolerance,
        n_numbers=len(pairs),
        first=beyond[0] if beyond else None,
        largest=max(different, key=lambda pair: pair.size, default=None),
    )


def _pairs(stored: TrainingTrace, again: TrainingTrace) -> Iterator[TraceDifference]:
    for epoch, seed_index in sorted(stored.epochs):
        yield from _each(epoch, seed_index, stored.epochs, again.epochs, (epoch, seed_index))
    if stored.infinite_at != again.infinite_at:
        then, now = stored.infinite_at, again.infinite_at
        where = min(epoch for epoch in (then, now) if epoch is not None)
        yield TraceDifference(where, 0, "epoch of infinity", then, now, math.inf)
    for seed_index in sorted(stored.tests):
        yield from _each(None, seed_index, stored.tests, again.tests, seed_index)


def _each(
    epoch: int | None,
    seed_index: int,
    stored: Mapping[Key, Metrics],
    again: Mapping[Key, Metrics],
    key: Key,
) -> Iterator[TraceDifference]:
    others = again.get(key, {})
    for name, one in stored[key].items():
        other = others.get(name)
        yield TraceDifference(epoch, seed_index, name, one, other, _size(name, one, other))


def _size(name: str, one: float | None, other: float | None) -> float:
    finite = [number is not None and math.isfinite(number) for number in (one, other)]
    if not all(finite):
        return math.inf if any(finite) else 0.0
    assert one is not None and other is not None
    if one == other:
        return 0.0
    is_share = name in _SHARES or name.startswith(_BAND)
    return abs(one - other) / (1.0 if is_share else max(abs(one), abs(other)))
