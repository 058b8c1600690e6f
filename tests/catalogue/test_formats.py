import math

import pytest

from sweep.catalogue.formats import cell, change, duration, percent, quantity
from sweep.catalogue.metrics import MEASURED, METRICS


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.0, 1, "0.0 %"),
        (0.0002, 1, "< 0.1 %"),
        (0.421, 1, "42.1 %"),
        (0.9996, 1, "> 99.9 %"),
        (1.0, 1, "100.0 %"),
        (-0.2, 0, "-20 %"),
    ],
)
def test_a_share_is_in_percent(share: float, digits: int, text: str) -> None:
    assert percent(share, digits) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1e-12, "0 %"),
        (0.0034, "0.34 %"),
        (0.034, "3.4 %"),
        (0.0996, "10 %"),
        (0.34, "34 %"),
        (1.5, "150 %"),  # two digits of it would be 1.5e+02
    ],
)
def test_a_change_has_two_significant_digits(share: float, text: str) -> None:
    assert change(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(9.94, "9.9 s"), (60, "1 min 00 s"), (3605, "1 h 0 min")]
)
def test_a_duration_is_in_the_units_of_its_size(seconds: float, text: str) -> None:
    assert duration(seconds) == text


VALUES = {
    "val_mse": (0.01234567, "0.01235", "0.01235"),
    "test_mse": (0.01234567, "0.01235", "0.01235"),
    "test_bce": (0.2854321, "0.2854", "0.2854"),
    "psnr": (25.614, "25.61", "25.61 dB"),
    "exact_pixel_share": (0.4213, "42.1 %", "42.1 %"),
    "n_parameters": (1234567, "1,234,567", "1,234,567"),
    "train_seconds": (75.4, "75.4", "1 min 15 s"),
}


@pytest.mark.parametrize("metric", MEASURED, ids=lambda metric: metric.name)
def test_a_metric_is_written_below_its_heading_and_with_its_unit(metric) -> None:  # type: ignore[no-untyped-def]
    value, in_a_column, alone = VALUES[metric.name]
    assert cell(metric, value) == in_a_column
    assert quantity(metric, value) == alone


def test_a_mean_over_seeds_has_its_spread_beside_it() -> None:
    assert quantity(METRICS["val_mse"], 0.01, 0.0012) == "0.01000 ± 0.0012"


def test_a_perfect_copy_has_an_infinite_signal_to_noise_ratio() -> None:
    assert cell(METRICS["psnr"], math.inf) == "∞"
