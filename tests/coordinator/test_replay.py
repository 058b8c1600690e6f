"""Two courses of training, side by side."""

import math

import pytest

from sweep.coordinator.replay import Agreement, TrainingTrace, compare, shares_of_bands


def course(*errors: float, test: float = 0.5, infinite_at: int | None = None) -> TrainingTrace:
    epochs = {(n, 0): {"val_mse": e, "val_bce": None} for n, e in enumerate(errors, start=1)}
    tests = {} if infinite_at else {0: {"test_mse": test, "exact_pixel_share": 0.25}}
    return TrainingTrace(epochs=epochs, tests=tests, infinite_at=infinite_at)


def test_the_same_numbers_are_equal() -> None:
    found = compare(course(0.3, 0.2), course(0.3, 0.2), 0.0)
    assert (found.agreement, found.first, found.largest) == (Agreement.EQUAL, None, None)
    assert found.n_numbers == 2 * 2 + 2


def test_the_last_bit_counts_unless_it_is_tolerated() -> None:
    again = course(0.3, math.nextafter(0.2, 1))
    assert compare(course(0.3, 0.2), again, 0.0).agreement is Agreement.DIVERGED
    found = compare(course(0.3, 0.2), again, 1e-12)
    assert found.agreement is Agreement.WITHIN_TOLERANCE
    assert found.largest is not None and found.largest.epoch == 2


def test_bands_of_an_error_spectrum_are_compared_as_shares_of_the_error() -> None:
    errors = [0.5, 0.5, 0.0] + [0.0] * 13
    one, other = (
        TrainingTrace(epochs={(1, 0): shares_of_bands(of)})
        for of in (errors, [0.5, 0.5, 1e-7, *errors[3:]])
    )
    found = compare(one, other, 1e-3)  # all of band 3 is new, and hardly any of the error
    assert found.agreement is Agreement.WITHIN_TOLERANCE
    assert compare(one, one, 0.0).agreement is Agreement.EQUAL
    assert found.n_numbers == 16


def test_the_first_epoch_beyond_the_tolerance_is_named() -> None:
    found = compare(course(0.3, 0.2, 0.1), course(0.3, 0.21, 0.2), 0.01)
    assert found.agreement is Agreement.DIVERGED
    assert found.first is not None and found.largest is not None
    assert (found.first.epoch, found.first.metric, found.first.again) == (2, "val_mse", 0.21)
    assert found.largest.epoch == 3


def test_other_test_results_come_after_the_last_epoch() -> None:
    found = compare(course(0.3, test=0.5), course(0.3, test=0.6), 0.01)
    assert found.first is not None
    assert (found.first.epoch, found.first.metric) == (None, "test_mse")


def test_a_share_is_compared_by_its_difference() -> None:
    one, other = course(0.3), course(0.3)
    other = TrainingTrace(
        epochs=other.epochs, tests={0: {"test_mse": 0.5, "exact_pixel_share": 0.2505}}
    )
    assert compare(one, other, 0.001).agreement is Agreement.WITHIN_TOLERANCE


@pytest.mark.parametrize(("then", "now"), [(None, 0.1), (0.1, None), (0.1, math.nan)])
def test_a_number_that_is_missing_is_no_near_miss(then: float | None, now: float | None) -> None:
    one = TrainingTrace(epochs={(1, 0): {"val_mse": then}})
    assert (
        compare(one, TrainingTrace(epochs={(1, 0): {"val_mse": now}}), 1.0).agreement == "diverged"
    )


def test_training_that_ends_at_another_epoch_has_diverged_there() -> None:
    ends_later = compare(course(0.3, infinite_at=2), course(0.3, 0.2, infinite_at=3), 1.0)
    assert ends_later.first is not None and ends_later.first.epoch == 2
    same = compare(course(0.3, infinite_at=2), course(0.3, infinite_at=2), 0.0)
    assert same.agreement is Agreement.EQUAL
    never = compare(course(0.3, 0.2), course(0.3, infinite_at=2), 1.0)
    assert never.first is not None and never.first.epoch == 2


def test_epochs_that_nobody_stored_are_not_compared() -> None:
    assert compare(course(0.3), course(0.3, 0.2), 0.0).agreement is Agreement.EQUAL
