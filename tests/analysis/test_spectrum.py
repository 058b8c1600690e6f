"""What error spectra say, of planted ones."""

import pytest

from sweep.analysis.spectrum import Spectrum, front_law, residue, standstill
from sweep.enums import Schedule
from tests.support.spectrum_factories import (
    BANDS,
    VARIANCES,
    by_the_law,
    plant_spectrum,
    point,
    stop_learning,
    with_jitter,
)

CONSTANT, COSINE = Schedule.CONSTANT, Schedule.COSINE


def test_bands_without_directions_are_left_out() -> None:
    found = plant_spectrum(by_the_law(1.0, [1]))
    assert [band.place for band in found.bands] == [0, *range(2, 16)]
    assert (found.bands[0].first, found.bands[0].last) == (1, 1)
    assert (found.bands[1].first, found.bands[1].last) == (2, 3)
    assert found.bands[-1].last == found.n_components == 784


def test_the_front_is_where_half_is_missing() -> None:
    found = plant_spectrum(by_the_law(VARIANCES[9], [1]))  # half of band 9 after an epoch
    front = found.last_front
    assert front is not None
    band = next(band for band in found.bands if band.place == 9)
    assert front.component == pytest.approx(band.centre)
    assert front.variance == pytest.approx(VARIANCES[9])
    assert found.variance_of(front.component) == pytest.approx(front.variance)


def test_between_two_bands_the_front_is_interpolated() -> None:
    step = point(1, lambda variance: 0.2 if variance >= VARIANCES[8] else 0.8)
    front = plant_spectrum([step]).last_front
    assert front is not None
    assert front.variance == pytest.approx((VARIANCES[8] * VARIANCES[9]) ** 0.5)


def test_nothing_learned_has_no_front_nor_has_everything() -> None:
    nothing, everything = (plant_spectrum([point(1, lambda _, of=of: of)]) for of in (1.0, 0.0))  # type: ignore[misc]
    assert nothing.last_front is everything.last_front is None
    assert nothing.is_unlearned
    assert not everything.is_unlearned


def test_a_study_without_spectra_has_none() -> None:
    assert Spectrum.of(None, by_the_law(1.0, [1])) is None
    assert Spectrum.of(BANDS, []) is None


def test_the_front_law_finds_the_constant_it_was_planted_with() -> None:
    law = front_law(plant_spectrum(by_the_law(0.3, range(1, 9))), CONSTANT)
    assert law is not None
    # Between bands the share is interpolated, which is not how it was planted.
    assert law.constant == pytest.approx(0.3, rel=0.1)
    assert (law.first, law.last) == (1, 8)
    assert law.epochs(0.01) == pytest.approx(100 * law.constant)


def test_the_first_epochs_need_not_follow_the_law() -> None:
    late = [of._replace(epoch=of.epoch + 1) for of in by_the_law(0.3, range(1, 12))]
    law = front_law(plant_spectrum([point(1, lambda _: 1.0), *late]), CONSTANT)
    assert law is not None
    assert law.first > 2


@pytest.mark.parametrize("schedule", [COSINE, Schedule.LINEAR_WARMUP])
def test_a_rate_that_changes_gives_no_law(schedule: Schedule) -> None:
    assert front_law(plant_spectrum(by_the_law(0.3, range(1, 9))), schedule) is None


def test_too_few_epochs_or_a_front_that_stands_give_no_law() -> None:
    assert front_law(plant_spectrum(by_the_law(0.3, [1, 2])), CONSTANT) is None
    (there,) = by_the_law(0.3, [3])
    stands = [there._replace(epoch=epoch) for epoch in range(1, 9)]
    assert front_law(plant_spectrum(stands), CONSTANT) is None


def test_a_front_that_stands_is_told_from_one_that_moves() -> None:
    found = standstill(plant_spectrum(stop_learning(4, 12)), CONSTANT)
    assert found is not None
    assert found.since == 4
    assert standstill(plant_spectrum(by_the_law(0.3, range(1, 13))), CONSTANT) is None
    assert standstill(plant_spectrum(stop_learning(4, 5)), CONSTANT) is None  # too early to tell
    assert (
        standstill(plant_spectrum(stop_learning(4, 12)), COSINE) is None
    )  # a rate near 0 moves nothing


def test_error_in_wide_directions_is_seen_to_stay_or_to_go_with_the_rate() -> None:
    stays = residue(plant_spectrum(with_jitter([0.004] * 12)), CONSTANT)
    assert stays is not None
    assert stays.kept == pytest.approx(1.0, rel=0.05)
    goes = residue(plant_spectrum(with_jitter([0.004] * 11 + [4e-5])), COSINE)
    assert goes is not None
    assert goes.kept < 0.05
    assert goes.share < goes.share_before


def test_what_was_learned_late_is_no_residue() -> None:
    found = residue(plant_spectrum(by_the_law(0.3, range(1, 13))), CONSTANT)
    assert found is not None
    assert found.share < 0.01
    assert residue(plant_spectrum(by_the_law(0.3, range(1, 4))), CONSTANT) is None
