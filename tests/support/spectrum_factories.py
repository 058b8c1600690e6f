"""Planted error spectra: bands of known variances, and trials that learn them by the front law."""

from collections.abc import Callable, Iterable

from sweep.analysis.spectrum import Spectrum
from sweep.messages import N_BANDS, SpectrumBands, pack_spectrum
from sweep.store.records import SpectrumPoint

#: D = 784: the variance halves from band to band, and there are more directions the narrower.
N_DIRECTIONS = (1, 0, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 144, 144, 70, 51)
VARIANCES = tuple(10.0 * 0.5**place if n else 0.0 for place, n in enumerate(N_DIRECTIONS))
BANDS = SpectrumBands(
    n_directions=N_DIRECTIONS,
    variances=VARIANCES,
    mean_image_errors=tuple(
        n * variance / 784 for n, variance in zip(N_DIRECTIONS, VARIANCES, strict=True)
    ),
    n_images=100,
)


def point(epoch: int, missing: Callable[[float], float]) -> SpectrumPoint:
    """An epoch in which directions of a variance have this share of it left."""
    pairs = zip(VARIANCES, BANDS.mean_image_errors, strict=True)
    return SpectrumPoint(epoch, tuple(missing(v) * whole for v, whole in pairs))


def by_the_law(constant: float, epochs: Iterable[int]) -> list[SpectrumPoint]:
    """Half of a direction is learned after ``constant`` over its variance epochs."""
    return [point(e, lambda v, e=e: 0.5 ** (v * e / constant)) for e in epochs]  # type: ignore[misc]


def plant_spectrum(points: Iterable[SpectrumPoint]) -> Spectrum:
    found = Spectrum.of(BANDS, list(points))
    assert found is not None
    return found


def pack(points: Iterable[SpectrumPoint]) -> list[bytes]:
    """As they are stored."""
    stored = [pack_spectrum(of.errors) for of in points]
    assert all(of is not None and len(of) == 4 * N_BANDS for of in stored)
    return [of for of in stored if of is not None]


def stop_learning(at: int, last: int) -> list[SpectrumPoint]:
    """Learns by the law until an epoch, and nothing afterwards."""
    learning = by_the_law(0.3, range(1, at + 1))
    return [*learning, *(learning[-1]._replace(epoch=e) for e in range(at + 1, last + 1))]


def with_jitter(rates: list[float]) -> list[SpectrumPoint]:
    """An error in the widest directions that goes with the rate, beside what the law leaves."""
    return [
        SpectrumPoint(of.epoch, (rate, *of.errors[1:]))
        for of, rate in zip(by_the_law(0.3, range(1, len(rates) + 1)), rates, strict=True)
    ]
